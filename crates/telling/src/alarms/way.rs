//! By which connection an alarm goes.

use settings::{ConnectionId, RoutedTo, Settings};
use store::Lane;

use super::Condition;

/// The first that works of: the one set for alarms, the Emails settings' one and its fallbacks, any other. One whose lanes
/// all go comes before one that rests for whatever reason; one that an alarm is raised about is not used.
pub(super) fn working(settings: &Settings, lanes: &[Lane], found: &[Condition]) -> Option<RoutedTo> {
    let mailbox = settings.notices.alarms.mailbox.as_ref().or(settings.emails.mailbox.as_ref())?;
    let first = settings.notices.alarms.connection.iter();
    let usual = settings.emails.service_connection.iter().chain(&settings.emails.fallback);
    let others = settings.connections.iter().map(|connection| &connection.id);
    let is_broken = |id: &ConnectionId| found.iter().any(|it| it.kind.breaks_connection() && it.subject == id.0);
    let usable: Vec<&ConnectionId> =
        first.chain(usual).chain(others).filter(|id| settings.connection(id).is_some() && !is_broken(id)).collect();
    let rests = |id: &ConnectionId| lanes.iter().any(|lane| lane.key.connection == *id && lane.pause.is_some());
    let chosen = usable.iter().find(|id| !rests(id)).or(usable.first())?;
    Some(RoutedTo { connection: (*chosen).clone(), mailbox: mailbox.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::AlarmKind;
    use crate::testing::{connection, settings};

    fn broken(id: &str) -> Condition {
        Condition { subject: id.into(), ..Condition::of(AlarmKind::Connection, "x") }
    }

    fn chosen(settings: &Settings, found: &[Condition]) -> Option<String> {
        working(settings, &[], found).map(|way| way.connection.0)
    }

    #[test]
    fn an_alarm_does_not_go_by_what_broke() {
        let mut settings = settings();
        settings.connections.extend([connection("second"), connection("third")]);
        settings.emails.fallback = vec![ConnectionId("second".into())];
        for (set, found, expected) in [
            (None, vec![], Some("main")),
            (Some("third"), vec![], Some("third")),
            (Some("third"), vec![broken("third")], Some("main")),
            (None, vec![broken("main")], Some("second")),
            (None, vec![broken("main"), broken("second")], Some("third")),
            (None, vec![broken("main"), broken("second"), broken("third")], None),
            (Some("gone"), vec![], Some("main")),
        ] {
            settings.notices.alarms.connection = set.map(|id: &str| ConnectionId(id.into()));
            assert_eq!(chosen(&settings, &found).as_deref(), expected, "{set:?} {found:?}");
        }
    }
}
