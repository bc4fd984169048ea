//! Limits kept before the other side enforces them: broken after a `202` they come back as lost mail.
//!
//! ```text
//!   door     one application at one mailbox of one service: attempts at once, requests in 10 minutes,
//!            octets in 5, messages a minute
//!   mailbox  its recipients in 24 hours, whatever the connection
//!   tenant   the external recipients of all its mailboxes in 24 hours
//! ```
//!
//! Promise: lanes that share one of these share its budget. What does not fit waits, and comes when there is room: nothing
//! is refused for a limit. A restart does not break one either ([`door`], [`day`]).
//!
//! Left to others: what an attempt costs (`Transport::cost`), what a refusal asks for (`rest`), and processes that send from
//! the same mailbox at the same time: a lane belongs to one process, and so should the lanes of a mailbox.

mod budget;
mod concurrency;
mod day;
mod door;
mod fit;
mod lane_pacer;
mod ticket;
mod window;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::{Connection, ConnectionId, RoutedTo, Settings, Tenant};
use store::{Store, StoreError};
use tokio::sync::Semaphore;

use crate::Clock;
use crate::retry::after;
use day::Day;
use door::{Door, DoorLimits, WINDOW};

pub(crate) use lane_pacer::{LanePacer, Look, Taken};
pub(crate) use ticket::Ticket;
pub(crate) use words::USED_UP;

/// What can be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Attempts at once.
    InFlight,
    Requests,
    Upload,
    Messages,
    Recipients,
    External,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Requests => "requests",
            Self::Upload => "upload",
            Self::Messages => "messages",
            Self::Recipients => "recipients",
            Self::External => "external",
        }
    }
}

/// What an attempt takes.
#[derive(Debug, Clone, Copy, Default)]
struct Need {
    requests: u64,
    upload_bytes: u64,
    recipients: u64,
    external: u64,
    is_large: bool,
}

impl Need {
    fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::InFlight | Kind::Messages => 1,
            Kind::Requests => self.requests,
            Kind::Upload => self.upload_bytes,
            Kind::Recipients => self.recipients,
            Kind::External => self.external,
        }
    }
}

/// Why a lane must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) kind: Kind,
    /// When there is room if nothing else happens; `None`: when something under way has ended.
    pub(crate) until: Option<Timestamp>,
}

impl Shortage {
    /// The wait is for the day to go on, and mail had better take another way, if there is one.
    pub(crate) fn is_for_long(&self, now: Timestamp) -> bool {
        self.kind == Kind::Recipients && self.until.is_some_and(|until| until > after(now, LONG))
    }
}

/// Shorter waits than this pass while mail would still be moving to another way.
const LONG: Duration = Duration::from_mins(5);

/// Entries beyond which those are forgotten that nobody uses and nothing was spent from lately.
const FORGET_FROM: usize = 1_024;

/// The budgets of one process.
pub(crate) struct Pacing {
    store: Arc<dyn Store>,
    clock: Clock,
    started_at: Timestamp,
    /// Requests under way at once for one application, over all its mailboxes.
    in_flight_per_app: Option<u32>,
    doors: Mutex<HashMap<String, Arc<Door>>>,
    days: Mutex<HashMap<String, Arc<Day>>>,
    apps: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl std::fmt::Debug for Pacing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pacing").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}

impl Pacing {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock, in_flight_per_app: Option<u32>) -> Self {
        Self {
            started_at: clock(),
            store,
            clock,
            in_flight_per_app,
            doors: Mutex::default(),
            days: Mutex::default(),
            apps: Mutex::default(),
        }
    }

    /// What the lane with that key must keep to, as the settings are now.
    pub(crate) async fn of(&self, key: &RoutedTo) -> Result<LanePacer, StoreError> {
        let settings = Arc::clone(&self.store.settings().borrow());
        let connection = settings.connection(&key.connection);
        let tenant = connection.and_then(|it| settings.tenant(it.tenant.as_ref()?));
        let owner = owner(&key.connection, tenant);
        let mailbox = key.mailbox.as_str().to_lowercase();
        let per_day = connection.and_then(|it| it.pace.recipients_per_day.or(it.service.limits().recipients_per_day));
        let per_day = widest(&settings, tenant, per_day);
        let recipients = self.day(format!("recipients/{owner}/{mailbox}"), per_day).await?;
        let external = match tenant.and_then(|tenant| Some((tenant, tenant.external.budget()?))) {
            Some((tenant, limit)) => {
                Some((self.day(format!("external/{owner}"), Some(limit)).await?, tenant.external.clone()))
            }
            None => None,
        };
        let app = tenant.map_or(owner.clone(), |tenant| format!("{owner}/{}", tenant.client_id.to_lowercase()));
        let service = connection.map_or("gone", |it| it.service.name());
        let door = self.door(format!("relay/pace/{service}/{app}/{mailbox}"), &door_limits(connection)).await?;
        Ok(LanePacer::new(
            settings.version,
            key,
            Arc::clone(&self.store),
            Arc::clone(&self.clock),
            lane_pacer::Shared {
                door,
                recipients,
                external,
                app: self.in_flight_per_app.map(|limit| self.app(app, limit)),
            },
        ))
    }

    async fn door(&self, key: String, limits: &DoorLimits) -> Result<Arc<Door>, StoreError> {
        let now = (self.clock)();
        if let Some(known) = locked(&self.doors).get(&key).cloned() {
            known.change_limits(limits);
            return Ok(known);
        }
        let knows_all = after(self.started_at, WINDOW) <= now;
        let door = Arc::new(Door::load(&*self.store, key.clone(), limits, knows_all, now).await?);
        let mut doors = locked(&self.doors);
        if doors.len() >= FORGET_FROM {
            doors.retain(|_, door| Arc::strong_count(door) > 1 || !door.is_unused(now));
        }
        Ok(Arc::clone(doors.entry(key).or_insert(door)))
    }

    async fn day(&self, key: String, limit: Option<u32>) -> Result<Arc<Day>, StoreError> {
        let now = (self.clock)();
        if let Some(known) = locked(&self.days).get(&key).cloned() {
            known.change_limit(limit);
            return Ok(known);
        }
        let day = Arc::new(Day::load(&*self.store, key.clone(), limit, now).await?);
        let mut days = locked(&self.days);
        if days.len() >= FORGET_FROM {
            days.retain(|_, day| Arc::strong_count(day) > 1 || !day.is_unused(now));
        }
        Ok(Arc::clone(days.entry(key).or_insert(day)))
    }

    fn app(&self, key: String, limit: u32) -> Arc<Semaphore> {
        let permits = usize::try_from(limit.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::clone(locked(&self.apps).entry(key).or_insert_with(|| Arc::new(Semaphore::new(permits))))
    }
}

/// Whose mailboxes they are: Microsoft's tenant, whatever it is called here, or a server of one's own.
fn owner(connection: &ConnectionId, tenant: Option<&Tenant>) -> String {
    tenant.map_or_else(|| format!("connection:{connection}"), |tenant| tenant.tenant_id.to_lowercase())
}

/// Lanes that share a mailbox share its day, also where their connections allow it different numbers: the largest counts.
fn widest(settings: &Settings, tenant: Option<&Tenant>, own: Option<u32>) -> Option<u32> {
    let Some(tenant) = tenant else { return own };
    let is_same = |connection: &&Connection| {
        let other = connection.tenant.as_ref().and_then(|id| settings.tenant(id));
        other.is_some_and(|other| other.tenant_id.eq_ignore_ascii_case(&tenant.tenant_id))
    };
    let of =
        |connection: &Connection| connection.pace.recipients_per_day.or(connection.service.limits().recipients_per_day);
    settings
        .connections
        .iter()
        .filter(is_same)
        .map(of)
        .try_fold(0, |most, limit| limit.map(|limit| limit.max(most)))
        .or(own)
}

fn door_limits(connection: Option<&Connection>) -> DoorLimits {
    let Some(connection) = connection else { return Vec::new() };
    let limits = connection.service.limits();
    let minutes = Duration::from_mins;
    [
        (Kind::Requests, limits.requests_per_10_minutes.map(u64::from), minutes(10)),
        (Kind::Upload, limits.upload_bytes_per_5_minutes, minutes(5)),
        (Kind::Messages, connection.pace.messages_per_minute.map(u64::from), minutes(1)),
    ]
    .into_iter()
    .filter_map(|(kind, limit, span)| Some((kind, limit?, span)))
    .collect()
}

/// Every change under these locks is a plain assignment: a panic elsewhere cannot leave it half made.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
