//! `sendMail` from the token to the mailboxes, and the checks that all of Graph shares.
//!
//! The order of checks: who is calling, what for, how often, how much, may they, does the mailbox work, is the message
//! good. Only then anything is stored.

use std::sync::Arc;

use jiff::Timestamp;

use super::bearer::{self, Claims};
use super::drafts;
use super::failure::Failure;
use super::reply::{Done, Taken};
use super::route::{self, MailboxKey, Operation};
use super::submission::Submission;
use super::throttle::Permit;
use super::{inbox, json_message, mime};
use crate::config::UserState;
use crate::digest;
use crate::directory::{App, Tenant, User};
use crate::exchange::{Call, Received};
use crate::guid;
use crate::journal::Delivery;
use crate::mailbox::StoredMessage;
use crate::state::State;

/// A request that passed everything the head can tell.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) tenant: Arc<Tenant>,
    pub(super) app: Arc<App>,
    claims: Arc<Claims>,
    /// The user key as the client means it.
    key: String,
    is_delegated: bool,
    pub(super) permit: Permit,
    /// `None`: `sendMail` itself.
    draft: Option<drafts::Request>,
    inbox: Option<inbox::Request>,
}

/// What a request needs the right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Send,
    ReadWrite,
    Read,
}

impl Need {
    /// Any of these.
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Send => &["Mail.Send"],
            Self::ReadWrite => &["Mail.ReadWrite"],
            Self::Read => &["Mail.Read", "Mail.ReadWrite"],
        }
    }
}

/// Judges the head of a request: token, address, rate.
pub(super) fn admit(state: &State, call: &Call, segments: &[&str], now: Timestamp) -> Result<Admitted, Failure> {
    let claims = bearer::check(state, call, now)?;
    let (mailbox, operation) = route::read(segments)?;
    let unknown = || Failure::unauthenticated("Access token validation failure.");
    let tenant = Arc::clone(state.directory.tenant(&claims.tid).ok_or_else(unknown)?);
    let app = Arc::clone(tenant.app(&claims.appid).ok_or_else(unknown)?);
    let (draft, inbox) = match operation {
        Operation::SendMail if call.method == hyper::Method::POST => (None, None),
        Operation::SendMail => return Err(Failure::wrong_method()),
        Operation::Drafts(path) => (Some(drafts::Request::read(&call.method, path)?), None),
        Operation::Inbox(path) => (None, Some(inbox::Request::read(&call.method, path)?)),
        Operation::Other(name) => return Err(refuse_other(&name)),
    };
    let is_delegated = claims.scp.is_some();
    let key = match (mailbox, &claims.upn) {
        (MailboxKey::User(key), _) => key,
        (MailboxKey::Me, Some(upn)) if is_delegated => upn.clone(),
        (MailboxKey::Me, _) => {
            let text = "/me request is only valid with delegated authentication flow.";
            return Err(Failure::new(400, "BadRequest", text));
        }
    };
    // Name and object id of a user are one mailbox, so one budget.
    let mailbox = tenant.user(&key).map_or(key.as_str(), |user| user.mailbox.as_str());
    let permit = state.throttle.enter(&claims.appid, mailbox)?;
    Ok(Admitted { tenant, app, claims, key, is_delegated, permit, draft, inbox })
}

/// Reading users, folders and calendars wants permissions a mail gateway does not have.
fn refuse_other(name: &str) -> Failure {
    if name.is_empty() {
        return Failure::new(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    }
    Failure::access_denied()
}

/// What a request asks for, as faults name it.
pub(super) fn operation_name(call: &Call, segments: &[&str]) -> Option<&'static str> {
    match route::read(segments).ok()?.1 {
        Operation::SendMail => Some("sendMail"),
        Operation::Drafts(path) => drafts::Request::read(&call.method, path).ok().map(|request| request.name()),
        Operation::Inbox(path) => inbox::Request::read(&call.method, path).ok().map(|request| request.name()),
        Operation::Other(_) => None,
    }
}

/// Does what an admitted request asks for.
pub(super) fn perform(
    state: &State,
    call: &Call,
    admitted: &Admitted,
    body: &Received,
    taken: &Taken,
) -> Result<Done, Failure> {
    let bytes = whole(state, body)?;
    admitted.permit.upload(bytes.len())?;
    if let Some(request) = &admitted.draft {
        return drafts::perform(state, call, admitted, request, bytes, taken);
    }
    if let Some(request) = &admitted.inbox {
        return inbox::perform(state, call, admitted, request);
    }
    let accepted = judge(state, call, admitted, bytes)?;
    commit(state, call, admitted, accepted, taken);
    Ok(Done::accepted())
}

/// The body, if it came whole.
pub(super) fn whole<'b>(state: &State, body: &'b Received) -> Result<&'b bytes::Bytes, Failure> {
    match body {
        Received::Whole(bytes) => Ok(bytes),
        Received::TooLarge if state.config.behaviour.too_large_is_400 => Err(Failure::known("BadRequest")),
        Received::TooLarge => Err(Failure::known("RequestEntityTooLarge")),
        Received::Broken => Err(Failure::new(400, "BadRequest", "The request body ended early.")),
    }
}

/// The mailbox the request is for, if the caller may do there what it wants.
pub(super) fn mailbox(admitted: &Admitted, need: Need) -> Result<Arc<User>, Failure> {
    check_permission(admitted, need)?;
    let user = Arc::clone(admitted.tenant.user(&admitted.key).ok_or_else(|| Failure::invalid_user(&admitted.key))?);
    check_scope(admitted, &user, need)?;
    check_mailbox(user.settings.state)?;
    Ok(user)
}

/// Whether the mailbox is another one than that of the user who signed in.
pub(super) fn is_somebody_elses(admitted: &Admitted, user: &User) -> bool {
    admitted.is_delegated && signed_in(admitted).is_none_or(|own| own.mailbox != user.mailbox)
}

/// The message the body holds, or why it is refused.
fn judge(state: &State, call: &Call, admitted: &Admitted, body: &[u8]) -> Result<(Arc<User>, Submission), Failure> {
    let user = mailbox(admitted, Need::Send)?;
    let submission = read_content(call, body)?;
    check_submission(state, admitted, &user, &submission)?;
    Ok((user, submission))
}

/// Whether a message may be submitted as it is.
pub(super) fn check_submission(
    state: &State,
    admitted: &Admitted,
    user: &User,
    submission: &Submission,
) -> Result<(), Failure> {
    check_size(state, user, submission)?;
    check_author(admitted, user, submission)?;
    submission.check_recipients(state.config.limits.max_recipients)?;
    admitted.permit.mail(submission.recipients().len())
}

/// Roles and Exchange's own RBAC add up; one of them is enough.
fn check_permission(admitted: &Admitted, need: Need) -> Result<(), Failure> {
    let Admitted { claims, app, .. } = admitted;
    let names = need.permissions();
    if admitted.is_delegated {
        let has = |name: &&str| has_scope(claims, name) || has_scope(claims, &format!("{name}.Shared"));
        let may = names.iter().any(has);
        return if may { Ok(()) } else { Err(Failure::access_denied()) };
    }
    let has_role = claims.roles.iter().any(|role| names.contains(&role.as_str()));
    // RBAC for Applications is about sending here.
    let may_by_rbac = need == Need::Send && !app.settings.rbac_mailboxes.is_empty();
    if has_role || may_by_rbac { Ok(()) } else { Err(Failure::access_denied()) }
}

fn check_scope(admitted: &Admitted, user: &User, need: Need) -> Result<(), Failure> {
    let names = |list: &[String]| list.iter().any(|name| user.owns(name) || name.eq_ignore_ascii_case(&user.id));
    let settings = &admitted.app.settings;
    if admitted.is_delegated {
        return check_delegate(admitted, user, need);
    }
    let has_role = admitted.claims.roles.iter().any(|role| need.permissions().contains(&role.as_str()));
    if !has_role && !names(&settings.rbac_mailboxes) {
        return Err(Failure::access_denied());
    }
    if settings.access_policy_mailboxes.as_ref().is_some_and(|allowed| !names(allowed)) {
        return Err(Failure::access_policy());
    }
    Ok(())
}

fn has_scope(claims: &Claims, wanted: &str) -> bool {
    claims.scp.as_deref().unwrap_or_default().split(' ').any(|scope| scope == wanted)
}

/// The user a delegated token is for.
fn signed_in(admitted: &Admitted) -> Option<&Arc<User>> {
    admitted.tenant.user(admitted.claims.upn.as_deref().unwrap_or_default())
}

/// From another mailbox than one's own: the token must say so, and the directory must allow it.
fn check_delegate(admitted: &Admitted, user: &User, need: Need) -> Result<(), Failure> {
    let delegate = signed_in(admitted).ok_or_else(Failure::access_denied)?;
    if delegate.mailbox == user.mailbox {
        return Ok(());
    }
    let may = |name: &&str| has_scope(&admitted.claims, &format!("{name}.Shared"));
    if !need.permissions().iter().any(may) {
        return Err(Failure::access_denied());
    }
    let is_granted = granted_to(delegate).any(|address| user.owns(address));
    if is_granted { Ok(()) } else { Err(Failure::known("ErrorSendAsDenied")) }
}

/// Addresses `delegate` may send as, or on behalf of.
fn granted_to(delegate: &User) -> impl Iterator<Item = &String> {
    delegate.settings.send_as.iter().chain(&delegate.settings.send_on_behalf)
}

fn check_mailbox(user: UserState) -> Result<(), Failure> {
    let code = match user {
        UserState::Ok => return Ok(()),
        UserState::OutOfScope => return Err(Failure::access_policy()),
        UserState::Missing => "ErrorInvalidUser",
        UserState::Unlicensed | UserState::SoftDeleted | UserState::OnPremises => "MailboxNotEnabledForRESTAPI",
        UserState::Full => "ErrorQuotaExceeded",
        UserState::Blocked => "ErrorAccountSuspend",
        UserState::QuotaExceeded => "ErrorSubmissionQuotaExceeded",
        UserState::Moving => "ErrorMailboxMoveInProgress",
    };
    Err(Failure::known(code))
}

fn read_content(call: &Call, body: &[u8]) -> Result<Submission, Failure> {
    let encoding = call.header("content-encoding").unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(Failure::new(
            415,
            "RequestBodyRead",
            format!("The content encoding '{encoding}' is not supported."),
        ));
    }
    match call.media_type().as_str() {
        "text/plain" => mime::read(body),
        "application/json" => json_message::read(body),
        other => Err(Failure::new(
            415,
            "RequestBodyRead",
            format!("A supported MIME type could not be found that matches the content type '{other}' of the request."),
        )),
    }
}

fn check_size(state: &State, user: &User, submission: &Submission) -> Result<(), Failure> {
    let limit = user.settings.max_message_bytes.unwrap_or(state.config.limits.max_message_bytes);
    let size = u64::try_from(submission.raw.len()).unwrap_or(u64::MAX);
    if size > limit { Err(Failure::known("ErrorMessageSizeExceeded")) } else { Ok(()) }
}

/// The author must be the mailbox itself or an address it, or the app, may send as.
fn check_author(admitted: &Admitted, user: &User, submission: &Submission) -> Result<(), Failure> {
    if admitted.is_delegated {
        return check_delegated_author(admitted, user, submission);
    }
    let granted = user.settings.send_as.iter().chain(&admitted.app.settings.send_as);
    let granted: Vec<String> = granted.map(|address| address.to_lowercase()).collect();
    let may = |address: &String| user.owns(address) || granted.contains(&address.to_lowercase());
    if submission.from.iter().all(may) { Ok(()) } else { Err(Failure::known("ErrorSendAsDenied")) }
}

/// A person writes as the mailbox, as itself, or as somebody the directory lets it; the last with a token for that.
fn check_delegated_author(admitted: &Admitted, user: &User, submission: &Submission) -> Result<(), Failure> {
    let delegate = signed_in(admitted).ok_or_else(Failure::access_denied)?;
    for address in submission.from.iter().filter(|address| !user.owns(address) && !delegate.owns(address)) {
        if !granted_to(delegate).any(|granted| granted.to_lowercase() == address.to_lowercase()) {
            return Err(Failure::known("ErrorSendAsDenied"));
        }
        if !has_scope(&admitted.claims, "Mail.Send.Shared") {
            return Err(Failure::access_denied());
        }
    }
    Ok(())
}

/// Puts a judged message into the mailboxes. Nothing after this can refuse it.
pub(super) fn commit(
    state: &State,
    call: &Call,
    admitted: &Admitted,
    accepted: (Arc<User>, Submission),
    taken: &Taken,
) {
    let (user, submission) = accepted;
    let recipients = submission.recipients();
    let mut inboxes: Vec<String> = recipients.iter().map(|address| admitted.tenant.mailbox_of(address)).collect();
    // Two addresses of one mailbox bring it one message.
    inboxes.sort_unstable();
    inboxes.dedup();
    let delivery = Arc::new(Delivery {
        id: guid::random(),
        at: state.clock.now(),
        tenant_id: admitted.tenant.id.clone(),
        client_id: admitted.app.settings.client_id.clone(),
        mailbox: user.mailbox.clone(),
        form: submission.form,
        from: submission.from.into_iter().next(),
        subject: submission.subject,
        internet_message_id: submission.internet_message_id,
        recipients,
        to: submission.to,
        cc: submission.cc,
        bcc: submission.bcc,
        saved_to_sent_items: submission.save_to_sent_items,
        sha256: digest::sha256_hex(&submission.raw),
        bytes: submission.raw.len(),
        request_id: taken.request_id.clone(),
        target: call.target.clone(),
        headers: visible_headers(call),
        answer_withheld: taken.answer_withheld,
    });
    let message = StoredMessage { delivery: Arc::clone(&delivery), raw: submission.raw, inboxes };
    state.bounces.follow(&admitted.tenant, &message, &state.config.behaviour);
    state.mailboxes.store(message);
    state.journal.delivered(delivery);
}

/// The request's header fields as received, the token masked.
fn visible_headers(call: &Call) -> Vec<(String, String)> {
    let show = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        let is_secret = name == hyper::header::AUTHORIZATION;
        let value = if is_secret { "Bearer ***".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        (name.as_str().to_owned(), value.into_owned())
    };
    call.headers.iter().map(show).collect()
}
