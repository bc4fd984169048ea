//! Non-delivery reports, read from the Inboxes of the mailboxes that sent.
//!
//! Promise: a report marks a recipient *bounced* only of a message that this gateway sent, from that very mailbox, to exactly
//! that address, lately (`judge`). So a forged one can do no more than that, and nothing else of it is believed or obeyed.
//! Reading stays far below what Graph allows the mailbox, and rests when the mailbox's lane does.
//!
//! Left to others: the form of reports (`mail::dsn`), how an Inbox is asked (`graph`), who is told (`webhooks`).

mod judge;
mod mark;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use graph::{FailureClass, GraphError, GraphMail, INBOX_PAGE, InboxMessage, MailboxSegment};
use jiff::{SignedDuration, Timestamp};
use mail::Address;
use mail::dsn::read_report;
use relay::Upstream;
use settings::{Connection, ConnectionId, Service, Settings};
use store::{Explanation, Lane, StoreError};

use crate::running::{Shared, is_outcome, wait_for};
pub(crate) use mark::troubles;
use mark::{Mark, load, save};

const LANES: u32 = 1_000;
/// Pages of one look; what is left is read at the next.
const PAGES: u32 = 10;
/// Mail is listed by the time it came, and now and then a little later than that.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// Reports of a mailbox that are remembered as read, so that the overlap costs no second look.
const REMEMBERED: usize = 500;
/// An Inbox that only an administrator can open is tried this seldom.
const REFUSED_WAIT: SignedDuration = SignedDuration::from_hours(1);

type Place = (ConnectionId, Address);

pub(crate) struct Bounces {
    shared: Shared,
    /// As the settings of that version have them.
    upstreams: HashMap<ConnectionId, (u64, GraphMail)>,
    inboxes: HashMap<Place, Inbox>,
}

/// What is remembered of an Inbox while the process lives.
#[derive(Debug, Default)]
struct Inbox {
    next: Option<Timestamp>,
    read: VecDeque<String>,
}

impl Bounces {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, upstreams: HashMap::new(), inboxes: HashMap::new() }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let mut news = self.shared.store.subscribe();
        loop {
            tokio::select! {
                looked = self.look() => if let Err(error) = looked {
                    tracing::error!(event = "bounces_wait_for_store", %error);
                },
                () = stop.cancelled() => return,
            }
            let limits = &self.shared.config.limits;
            let (look, soon) = (limits.look, limits.inbox_soon);
            let goes_on = tokio::select! {
                goes_on = self.shared.pause(look) => goes_on,
                // What was just sent may come back within moments.
                is_open = wait_for(&mut news, is_outcome) => is_open && self.shared.pause(soon).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Looks into every Inbox whose turn it is.
    pub(crate) async fn look(&mut self) -> Result<(), StoreError> {
        let settings = self.shared.store.settings().borrow().clone();
        let read: Vec<&Connection> = settings.connections.iter().filter(|it| is_read(it)).collect();
        if read.is_empty() {
            return Ok(());
        }
        let now = self.shared.now();
        for lane in self.shared.store.lanes(LANES).await? {
            let Some(connection) = read.iter().find(|it| it.id == lane.key.connection) else { continue };
            let place = (lane.key.connection.clone(), lane.key.mailbox.clone());
            if lane.pause.as_ref().is_some_and(|pause| pause.until > now) || !self.is_turn(&place, now) {
                continue;
            }
            let Some(wait) = self.interval(&lane, now).await? else { continue };
            let wait = self.look_into(&settings, connection, &place, now).await?.unwrap_or(wait);
            self.inboxes.entry(place).or_default().next = now.checked_add(wait).ok();
        }
        Ok(())
    }

    fn is_turn(&self, place: &Place, now: Timestamp) -> bool {
        self.inboxes.get(place).and_then(|inbox| inbox.next).is_none_or(|next| next <= now)
    }

    /// How long until the next look; `None`: nothing was sent that could come back.
    async fn interval(&self, lane: &Lane, now: Timestamp) -> Result<Option<SignedDuration>, StoreError> {
        let limits = &self.shared.config.limits;
        let store = &self.shared.store;
        let sent_within = async |span: SignedDuration| {
            let since = now.checked_sub(span).unwrap_or(Timestamp::MIN);
            store.recipients_attempted(lane.id, since).await.map(|count| count > 0)
        };
        if sent_within(limits.inbox_busy).await? {
            return Ok(Some(limits.inbox_look));
        }
        Ok(sent_within(limits.inbox_watched).await?.then_some(limits.inbox_look_seldom))
    }

    /// Reads on; `Some`: it must wait for so long.
    async fn look_into(
        &mut self,
        settings: &Settings,
        connection: &Connection,
        place: &Place,
        now: Timestamp,
    ) -> Result<Option<SignedDuration>, StoreError> {
        let store = self.shared.store.clone();
        let mut mark = load(&*store, place).await?;
        let read = match self.mail(settings, &connection.id) {
            Ok(mail) => self.read_on(&mail, place, &mut mark, now).await?,
            Err(explanation) => Err((explanation, REFUSED_WAIT)),
        };
        match read {
            Ok(()) => {
                mark.trouble = None;
                save(&*store, place, &mark).await?;
                Ok(None)
            }
            Err((explanation, wait)) => {
                tracing::warn!(
                    event = "inbox_not_read", connection = %connection.id, mailbox = %place.1, what = explanation.what,
                    why = explanation.why
                );
                mark.trouble = (wait >= REFUSED_WAIT).then_some(explanation);
                save(&*store, place, &mark).await?;
                Ok(Some(wait))
            }
        }
    }

    /// The outer error is the store's, the inner one the mailbox's, with the time to wait.
    async fn read_on(
        &mut self,
        mail: &GraphMail,
        place: &Place,
        mark: &mut Mark,
        now: Timestamp,
    ) -> Result<Result<(), (Explanation, SignedDuration)>, StoreError> {
        let Ok(mailbox) = MailboxSegment::new(place.1.as_str()) else { return Ok(Ok(())) };
        let watched = now.checked_sub(self.shared.config.limits.inbox_watched).unwrap_or(Timestamp::MIN);
        let overlap = if mark.is_behind { SignedDuration::ZERO } else { OVERLAP };
        let since = mark.read_up_to.and_then(|at| at.checked_sub(overlap).ok()).unwrap_or(watched).max(watched);
        mark.is_behind = true;
        for page in 0..PAGES {
            let listed = match mail.inbox_since(&mailbox, since, page * INBOX_PAGE).await {
                Ok(listed) => listed,
                Err(error) => return Ok(Err(trouble(&place.1, &error))),
            };
            for message in &listed {
                if let Err(error) = self.take(mail, &mailbox, place, message, now).await? {
                    return Ok(Err(trouble(&place.1, &error)));
                }
                mark.read_up_to = mark.read_up_to.max(Some(message.received_at));
            }
            save(&*self.shared.store, place, mark).await?;
            if listed.len() < usize::try_from(INBOX_PAGE).unwrap_or(usize::MAX) {
                mark.is_behind = false;
                break;
            }
        }
        Ok(Ok(()))
    }

    /// One message in the Inbox.
    async fn take(
        &mut self,
        mail: &GraphMail,
        mailbox: &MailboxSegment,
        place: &Place,
        message: &InboxMessage,
        now: Timestamp,
    ) -> Result<Result<(), GraphError>, StoreError> {
        let inbox = self.inboxes.entry(place.clone()).or_default();
        if !message.is_report || inbox.read.contains(&message.id) {
            return Ok(Ok(()));
        }
        let most = self.shared.config.limits.inbox_message_max_bytes;
        match mail.inbox_mime(mailbox, &message.id, most).await {
            // Somebody read it and put it away.
            Err(error) if error.status() == Some(404) => {}
            Err(error) => return Ok(Err(error)),
            Ok(None) => tracing::info!(event = "report_too_large", mailbox = %place.1),
            Ok(Some(raw)) => {
                if let Some(report) = read_report(&raw) {
                    judge::settle(&self.shared, place, &report, now).await?;
                }
            }
        }
        let inbox = self.inboxes.entry(place.clone()).or_default();
        inbox.read.push_back(message.id.clone());
        if inbox.read.len() > REMEMBERED {
            inbox.read.pop_front();
        }
        Ok(Ok(()))
    }

    /// A client of its own: what reading does to tokens and sockets is not felt by sending.
    fn mail(&mut self, settings: &Settings, id: &ConnectionId) -> Result<GraphMail, Explanation> {
        if let Some((version, mail)) = self.upstreams.get(id)
            && *version == settings.version
        {
            return Ok(mail.clone());
        }
        let upstream = Upstream::graph(settings, id, &self.shared.store, &self.shared.config.network);
        let mail = upstream.map_err(|error| error.explanation())?.mail;
        self.upstreams.insert(id.clone(), (settings.version, mail.clone()));
        Ok(mail)
    }
}

fn is_read(connection: &Connection) -> bool {
    connection.service == Service::GraphApi && connection.read_bounces
}

fn trouble(mailbox: &Address, error: &GraphError) -> (Explanation, SignedDuration) {
    let asked = error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
    match error.class() {
        FailureClass::Configuration | FailureClass::Permanent => {
            let words = error.explanation();
            let explanation = Explanation {
                what: format!("Microsoft Graph does not let Postern read the Inbox of {mailbox}."),
                why: words.why.to_string(),
                fix: "Grant Mail.Read: for application permission in the app registration, with admin consent, or by \
                      'Application Mail.Read' of RBAC for Applications; for delegated permission sign in again. Or \
                      switch off reading non-delivery reports in the connection."
                    .to_owned(),
                who: words.who.to_string(),
                code: error.code().map(str::to_owned),
            };
            (explanation, REFUSED_WAIT)
        }
        _ => {
            let words = error.explanation();
            let explanation =
                Explanation { what: words.what.to_string(), why: words.why.to_string(), ..Explanation::default() };
            (explanation, asked.unwrap_or(SignedDuration::from_mins(2)).min(SignedDuration::from_mins(59)))
        }
    }
}
