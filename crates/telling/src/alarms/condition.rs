//! What there is to be alarmed about, at one moment.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use settings::{Permission, Settings};
use store::{Explanation, Filter, Lane, MessageRecord, MessageState, PageRequest, StoreError};

use crate::bounces;
use crate::delays::is_not_due_yet;
use crate::expiry::credential_end;
use crate::running::Shared;
use crate::webhooks::{PROGRESS, Progress};

/// Old messages looked at to find one that is late: those handed in for later are not.
const OLD_MESSAGES: u32 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A connection that only an administrator can mend.
    Connection,
    /// The sign-in of a delegated connection ended.
    SignIn,
    /// A secret or certificate ends soon.
    CredentialExpires,
    CredentialExpired,
    /// A message that is due waits for long.
    QueueAge,
    DiskRoom,
    /// A webhook does not take what it is told.
    Webhook,
    /// Reports in an Inbox cannot be read.
    Inbox,
}

impl AlarmKind {
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::SignIn,
        Self::CredentialExpires,
        Self::CredentialExpired,
        Self::QueueAge,
        Self::DiskRoom,
        Self::Webhook,
        Self::Inbox,
    ];

    /// As webhooks and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::SignIn => "sign_in",
            Self::CredentialExpires => "credential_expires",
            Self::CredentialExpired => "credential_expired",
            Self::QueueAge => "queue_age",
            Self::DiskRoom => "disk_room",
            Self::Webhook => "webhook",
            Self::Inbox => "inbox",
        }
    }

    /// In the subject of a letter.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Connection => "A connection does not work",
            Self::SignIn => "Somebody must sign in again",
            Self::CredentialExpires => "A secret or certificate ends soon",
            Self::CredentialExpired => "A secret or certificate has ended",
            Self::QueueAge => "Mail waits for long",
            Self::DiskRoom => "The disk is nearly full",
            Self::Webhook => "A webhook does not answer",
            Self::Inbox => "An Inbox cannot be read",
        }
    }

    /// The subject is a connection by which nothing goes.
    pub(super) fn breaks_connection(self) -> bool {
        matches!(self, Self::Connection | Self::SignIn)
    }
}

/// One reason for alarm; in the words of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Condition {
    pub(crate) kind: AlarmKind,
    /// What it is about: with the kind, it names the alarm.
    pub(crate) subject: String,
    /// The same for people.
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) fix: String,
    pub(crate) who: String,
}

impl Condition {
    pub(crate) fn of(kind: AlarmKind, what: impl Into<String>) -> Self {
        let none = String::new;
        Self { kind, subject: none(), name: none(), what: what.into(), why: none(), fix: none(), who: none() }
    }

    fn about(self, subject: impl Into<String>, name: impl Into<String>) -> Self {
        Self { subject: subject.into(), name: name.into(), ..self }
    }

    fn mended_by(self, fix: impl Into<String>, who: impl Into<String>) -> Self {
        Self { fix: fix.into(), who: who.into(), ..self }
    }

    fn explained(self, explanation: &Explanation) -> Self {
        let Explanation { what, why, fix, who, code } = explanation.clone();
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        Self { why: format!("{what} {why}{code}").trim().to_owned(), fix, who, ..self }
    }
}

/// All of them now.
pub(super) async fn conditions(
    shared: &Shared,
    settings: &Settings,
    lanes: &[Lane],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let mut found = broken_connections(settings, lanes);
    found.extend(ended_sign_ins(shared, settings).await?);
    found.extend(ending_credentials(settings, now));
    found.extend(old_mail(shared, settings, now).await?);
    if !(shared.config.has_room)() {
        let what = "The disk of the data folder has less room than [limits] min_free_bytes asks for.";
        let disk = Condition::of(AlarmKind::DiskRoom, what).about("data", "data folder");
        found.push(disk.mended_by("Make room on that disk: new mail is refused when it is full.", OPERATOR));
    }
    found.extend(failing_webhooks(shared, settings).await?);
    found.extend(unread_inboxes(shared, settings).await?);
    Ok(found)
}

const OPERATOR: &str = "Postern administrator";

/// A rest stays known until an attempt succeeded, so that the moment between two rests is no recovery.
fn broken_connections(settings: &Settings, lanes: &[Lane]) -> Vec<Condition> {
    let mut found: Vec<Condition> = Vec::new();
    for lane in lanes {
        let Some(pause) = lane.pause.as_ref().filter(|pause| pause.needs_administrator) else { continue };
        let id = &lane.key.connection;
        let Some(connection) = settings.connection(id) else { continue };
        if found.iter().any(|known| known.subject == id.0) {
            continue;
        }
        let what = format!("Nothing is sent from {} by the connection '{}'.", lane.key.mailbox, connection.name);
        let broken = Condition::of(AlarmKind::Connection, what).about(&id.0, &connection.name);
        found.push(broken.explained(&pause.explanation));
    }
    found
}

async fn ended_sign_ins(shared: &Shared, settings: &Settings) -> Result<Vec<Condition>, StoreError> {
    let mut found = Vec::new();
    for connection in settings.connections.iter().filter(|it| it.permission == Permission::Delegated) {
        let Some(dead) = shared.store.grant(&connection.id).await?.and_then(|grant| grant.dead) else { continue };
        let what = format!("The sign-in for the connection '{}' has ended.", connection.name);
        let ended = Condition::of(AlarmKind::SignIn, what).about(&connection.id.0, &connection.name);
        found.push(ended.explained(&dead));
    }
    Ok(found)
}

fn ending_credentials(settings: &Settings, now: Timestamp) -> Vec<Condition> {
    let soon = i64::from(settings.notices.alarms.expiry_days);
    let of_tenant = |tenant: &settings::Tenant| {
        let end = credential_end(tenant)?;
        let days = end.days_left(now);
        let (what, day) = (end.what, end.at.strftime("%Y-%m-%d"));
        let condition = match days {
            ..0 => Condition::of(
                AlarmKind::CredentialExpired,
                format!("The {what} of the tenant '{}' ended on {day}.", tenant.name),
            ),
            _ if days <= soon => Condition::of(
                AlarmKind::CredentialExpires,
                format!("The {what} of the tenant '{}' ends on {day}, in {days} days.", tenant.name),
            ),
            _ => return None,
        };
        let fix =
            format!("Make a new {what} for the app registration and enter it in the tenant: it takes effect at once.");
        Some(condition.about(format!("{}@{day}", tenant.id.0), &tenant.name).mended_by(fix, "Entra administrator"))
    };
    settings.tenants.iter().filter_map(of_tenant).collect()
}

async fn old_mail(shared: &Shared, settings: &Settings, now: Timestamp) -> Result<Option<Condition>, StoreError> {
    let minutes = settings.notices.alarms.queue_age_minutes;
    let Ok(limit) = now.checked_sub(SignedDuration::from_mins(minutes.into())) else { return Ok(None) };
    if shared.store.counts().await?.oldest_waiting.is_none_or(|oldest| oldest > limit) {
        return Ok(None);
    }
    let waiting = Filter { states: vec![MessageState::Queued], until: Some(limit), ..Filter::default() };
    let page = shared.store.messages(&waiting, PageRequest { before: None, limit: OLD_MESSAGES }).await?;
    let is_late = |message: &&MessageRecord| !is_not_due_yet(message, now);
    let Some(oldest) = page.messages.iter().rfind(is_late) else { return Ok(None) };
    let what = format!("Mail waits for more than {minutes} minutes.");
    let waits = Condition::of(AlarmKind::QueueAge, what).about("queue", "the queue");
    let mended = waits.mended_by("Look at the queue in the console, or with 'postern queue list'.", OPERATOR);
    let why = oldest.last_error.as_ref().map(|error| format!("The last trouble of one of them: {}", error.what));
    Ok(Some(Condition { why: why.unwrap_or_default(), ..mended }))
}

async fn failing_webhooks(shared: &Shared, settings: &Settings) -> Result<Vec<Condition>, StoreError> {
    let mut found = Vec::new();
    for (key, value) in shared.store.kept_under(PROGRESS).await? {
        let id = key.strip_prefix(PROGRESS).unwrap_or_default();
        let Some(webhook) = settings.webhooks.iter().find(|webhook| webhook.id.0 == id) else { continue };
        let progress: Progress = serde_json::from_value(value).unwrap_or_default();
        if progress.dropped == 0 {
            continue;
        }
        let what = format!("The webhook '{}' has not taken its news for a day: it is being dropped.", webhook.name);
        let trouble = progress.trouble.map(|trouble| format!("At the last call {trouble}."));
        let failing = Condition::of(AlarmKind::Webhook, what).about(id, &webhook.name);
        let fix = "Mend the receiver, or change or switch off the webhook.";
        found.push(Condition { why: trouble.unwrap_or_default(), ..failing.mended_by(fix, OPERATOR) });
    }
    Ok(found)
}

async fn unread_inboxes(shared: &Shared, settings: &Settings) -> Result<Vec<Condition>, StoreError> {
    let mut found: Vec<Condition> = Vec::new();
    for (connection, trouble) in bounces::troubles(&*shared.store).await? {
        let Some(known) = settings.connection(&connection).filter(|it| it.read_bounces) else { continue };
        if found.iter().all(|it| it.subject != connection.0) {
            let what = format!("Non-delivery reports are not read by the connection '{}'.", known.name);
            let unread = Condition::of(AlarmKind::Inbox, what).about(&connection.0, &known.name);
            found.push(unread.explained(&trouble));
        }
    }
    Ok(found)
}
