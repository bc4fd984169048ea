//! The part of the form about how a connection sends, and how much.

use admin::{ConnectionSummary, Refused};
use serde::Deserialize;
use settings::{Delivery, OnUncertain, Permission};

use crate::form::{Choice, Field, number};

/// As they are typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BehaviourFields {
    permission: String,
    large_messages: String,
    large_max_bytes: String,
    mime_max_bytes: String,
    delivery: String,
    on_uncertain: String,
    read_bounces: String,
    in_flight: String,
    messages_per_minute: String,
    recipients_per_day: String,
}

/// What is asked of `admin`.
pub(super) struct Behaviour {
    pub(super) permission: Permission,
    pub(super) large_messages: bool,
    pub(super) large_max_bytes: Option<u64>,
    pub(super) mime_max_bytes: Option<u64>,
    pub(super) delivery: Delivery,
    pub(super) on_uncertain: OnUncertain,
    pub(super) read_bounces: bool,
    pub(super) in_flight: Option<u32>,
    pub(super) messages_per_minute: Option<u32>,
    pub(super) recipients_per_day: Option<u32>,
}

/// Services with a tenant at Microsoft.
pub(super) const OF_MICROSOFT: &[&str] = &["Microsoft Entra ID Graph API", "Microsoft Entra ID Exchange"];
const GRAPH: &[&str] = &["Microsoft Entra ID Graph API"];
const ON: &str = "on";

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

impl BehaviourFields {
    pub(super) fn empty() -> Self {
        Self {
            permission: "application".to_owned(),
            on_uncertain: "retry".to_owned(),
            delivery: "standard".to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn of(known: &ConnectionSummary) -> Self {
        let check = |is_on: bool| if is_on { ON } else { "" }.to_owned();
        let delivery = match known.delivery {
            Delivery::Standard => "standard",
            Delivery::Tracked => "tracked",
        };
        let on_uncertain = match known.on_uncertain {
            OnUncertain::Retry => "retry",
            OnUncertain::Hold => "hold",
        };
        Self {
            permission: super::permission(known.permission).to_owned(),
            large_messages: check(known.large_messages),
            large_max_bytes: text(known.large_max_bytes),
            mime_max_bytes: text(known.mime_max_bytes),
            delivery: delivery.to_owned(),
            on_uncertain: on_uncertain.to_owned(),
            read_bounces: check(known.read_bounces),
            in_flight: known.in_flight.to_string(),
            messages_per_minute: text(known.messages_per_minute),
            recipients_per_day: text(known.recipients_per_day),
        }
    }

    /// What another service's fields still hold when they are hidden is not asked for.
    pub(super) fn read(&self, is_graph: bool) -> Result<Behaviour, Refused> {
        let large_messages = self.large_messages == ON;
        let large_max_bytes = if is_graph && large_messages { self.large_max_bytes.as_str() } else { "" };
        let mime_max_bytes = if is_graph { self.mime_max_bytes.as_str() } else { "" };
        Ok(Behaviour {
            permission: if self.permission == "delegated" { Permission::Delegated } else { Permission::Application },
            large_messages,
            large_max_bytes: number(large_max_bytes, "large_max_bytes")?,
            mime_max_bytes: number(mime_max_bytes, "mime_max_bytes")?,
            delivery: if is_graph && self.delivery == "tracked" { Delivery::Tracked } else { Delivery::Standard },
            on_uncertain: if self.on_uncertain == "hold" { OnUncertain::Hold } else { OnUncertain::Retry },
            read_bounces: is_graph && self.read_bounces == ON,
            in_flight: number(&self.in_flight, "in_flight")?,
            messages_per_minute: number(&self.messages_per_minute, "messages_per_minute")?,
            recipients_per_day: number(&self.recipients_per_day, "recipients_per_day")?,
        })
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let permissions = vec![
            Choice::new("application", "Application: Postern signs in as the app, without a person"),
            Choice::new("delegated", "Delegated: a person signs in once, mail leaves on their behalf"),
        ];
        let uncertain = vec![
            Choice::new("retry", "Send it again: it may arrive twice"),
            Choice::new("hold", "Hold it until somebody decides: it may not arrive"),
        ];
        let delivery = vec![
            Choice::new("standard", "Standard: in one request"),
            Choice::new("tracked", "Tracked: by way of a draft that tells whether it left; needs Mail.ReadWrite"),
        ];
        let graph = |field: Field| field.shown_when("service", GRAPH);
        let mut fields = vec![
            Field::section("How it sends"),
            Field::select("permission", "Permission type", &self.permission, permissions)
                .shown_when("service", OF_MICROSOFT),
            graph(Field::check("large_messages", "Large messages", self.large_messages == ON))
                .hint("May ask for Mail.ReadWrite, to send what does not fit into one request (about 3 MB)."),
            graph(Field::number("large_max_bytes", "Largest message, in bytes", &self.large_max_bytes))
                .shown_when("large_messages", &[ON])
                .hint("Left empty: 36700160 (35 MiB). Up to 157286400 where Exchange Online allows the mailbox more."),
            graph(Field::number("mime_max_bytes", "Largest message in one request, in bytes", &self.mime_max_bytes))
                .hint("Left empty: 3145728, as much as Graph takes."),
            graph(Field::select("delivery", "Delivery", &self.delivery, delivery)),
            Field::select("on_uncertain", "When it is uncertain whether a message left", &self.on_uncertain, uncertain),
            graph(Field::check("read_bounces", "Read bounces", self.read_bounces == ON)).hint(
                "Asks for Mail.Read, to find non-delivery reports in the sending mailboxes and mark who did not get it.",
            ),
        ];
        fields.extend(self.pace_fields());
        fields
    }

    fn pace_fields(&self) -> [Field; 4] {
        [
            Field::section("How much a mailbox sends"),
            Field::number("in_flight", "Requests at once per mailbox", &self.in_flight).hint(
                "Left empty: 3. Microsoft Graph serves 4, of which one is left for others; Exchange Online takes 3.",
            ),
            Field::number("messages_per_minute", "Messages a minute", &self.messages_per_minute)
                .hint("Left empty: no limit. By SMTP, Exchange Online takes 30."),
            Field::number("recipients_per_day", "Recipients in 24 hours", &self.recipients_per_day)
                .hint("Left empty: what the service bears, 10000 at Microsoft. What is beyond waits."),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_graph_alone_is_asked_of_graph_alone() {
        let typed = BehaviourFields {
            large_messages: ON.into(),
            large_max_bytes: "50000000".into(),
            mime_max_bytes: "100000".into(),
            delivery: "tracked".into(),
            read_bounces: ON.into(),
            ..BehaviourFields::empty()
        };
        let graph = typed.read(true).unwrap();
        assert_eq!((graph.large_max_bytes, graph.mime_max_bytes), (Some(50_000_000), Some(100_000)));
        assert!(graph.delivery == Delivery::Tracked && graph.read_bounces);
        let other = typed.read(false).unwrap();
        assert_eq!((other.large_max_bytes, other.mime_max_bytes, other.delivery), (None, None, Delivery::Standard));
        assert!(!other.read_bounces);
    }

    #[test]
    fn a_limit_of_large_messages_needs_them() {
        let typed = BehaviourFields { large_max_bytes: "50000000".into(), ..BehaviourFields::empty() };
        assert_eq!(typed.read(true).unwrap().large_max_bytes, None);
    }
}
