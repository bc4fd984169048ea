//! Replies and troubles in words: what failed, why, what to do, and who has to.

use entra::{Obstacle, Who};
use mail::Address;
use settings::Service;
use store::Explanation;
use wire::{ServerReply, Severity};

use super::exchange;
use super::transaction::{End, Ended};
use super::trouble::{Cause, Failure, Step, Trouble};

/// What of a server's text is kept.
const MAX_WORDS: usize = 400;

/// What the words are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) service: Service,
    /// The message's reverse-path is the mailbox's own address.
    pub(super) sends_as_mailbox: bool,
    /// It is a token that proves who we are, not a password.
    pub(super) signs_in_by_token: bool,
}

/// The reply's code and text.
pub(super) fn words(reply: &ServerReply) -> String {
    let status = reply.status.map(|status| format!("{status} ")).unwrap_or_default();
    let words = format!("{} {status}{}", reply.code, reply.text());
    words.trim_end().chars().take(MAX_WORDS).collect()
}

/// `550 5.1.1`.
fn code(reply: &ServerReply) -> String {
    reply.status.map_or_else(|| reply.code.to_string(), |status| format!("{} {status}", reply.code))
}

pub(super) fn failure(failure: &Failure, scene: &Scene<'_>) -> Explanation {
    let step = failure.step;
    match &failure.cause {
        Cause::Reply(reply) => said(reply, &format!("{step}"), (step, scene)),
        Cause::Trouble(trouble) => unsaid(step, trouble, scene),
        Cause::NoStartTls => explanation(
            format!("{} does not offer STARTTLS.", scene.host),
            "Without it, the password and the mail would cross the network in clear.".to_owned(),
            "Switch TLS on there, use security = \"implicit\" (mostly port 465), or ask for security = \"none\".",
            Who::GatewayAdministrator,
        ),
        Cause::NoMechanism(offered) => explanation(
            format!("{} offers no way to authenticate that fits.", scene.host),
            match offered.as_slice() {
                [] => "It offers no AUTH at all.".to_owned(),
                offered => format!("It offers {}.", offered.join(", ")),
            },
            if scene.signs_in_by_token {
                "Look whether it takes XOAUTH2 or OAUTHBEARER, and whether that wants TLS or another port there."
            } else {
                "Look whether AUTH wants TLS or another port there; without a user name none is tried."
            },
            Who::GatewayAdministrator,
        ),
        Cause::Token(error) => {
            let words = error.explanation();
            Explanation {
                code: error.aadsts().map(|number| format!("AADSTS{number}")),
                ..explanation(words.what, words.why.into_owned(), &words.fix, words.who)
            }
        }
        Cause::Body(error) => explanation(
            "The message could not be read from the store.",
            error.to_string(),
            "Check the disk of the data folder; it is tried again by itself.",
            Who::GatewayAdministrator,
        ),
    }
}

/// What to say of a transaction that came to its end; `None`: nothing, everybody was taken.
pub(super) fn end(ended: &Ended, recipients: &[&Address], scene: &Scene<'_>) -> Option<Explanation> {
    match &ended.end {
        End::Lost(lost) => return Some(failure(lost, scene)),
        End::Reply(step, reply) if reply.severity() != Severity::Positive => {
            return Some(said(reply, &step.to_string(), (*step, scene)));
        }
        End::Reply(..) | End::NobodyTaken => {}
    }
    let mut refusals = recipients.iter().zip(&ended.refused).filter_map(|(to, reply)| Some((to, reply.as_ref()?)));
    let (first, reply) = refusals.next()?;
    let more = match refusals.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Some(said(reply, &format!("<{first}>{more}"), (Step::Rcpt, scene)))
}

/// A reply that says no, to `what`.
fn said(reply: &ServerReply, what: &str, (step, scene): (Step, &Scene<'_>)) -> Explanation {
    let verb = if reply.severity() == Severity::Permanent { "refused" } else { "put off" };
    let object = if step == Step::Rcpt { what.to_owned() } else { format!("us {what}") };
    let what = format!("{} {verb} {object}: {}", scene.host, words(reply));
    let words = if let Some(known) = exchange::recognise(reply, scene) {
        explanation(what, known.why.to_owned(), known.fix, known.who)
    } else {
        let (why, fix, who) = reasons(step, reply, scene);
        explanation(what, why.to_owned(), fix, who)
    };
    Explanation { code: Some(code(reply)), ..words }
}

/// What a reply means wherever it comes from, by its step and its status code (RFC 3463).
fn reasons(step: Step, reply: &ServerReply, scene: &Scene<'_>) -> (&'static str, &'static str, Who) {
    const WORDS: &str = "The server gives no other reason than its words.";
    if reply.severity() != Severity::Permanent {
        return ("It is a passing trouble, says the server.", "Nothing: it is tried again by itself.", Who::Nobody);
    }
    let status = reply.status.map(|status| (status.subject, status.detail));
    match (step, reply.code, status) {
        (Step::Greeting | Step::Connect, ..) => (
            "The server takes no mail from here, or none at all.",
            "Check host and port, and whether the server lets this machine in.",
            Who::GatewayAdministrator,
        ),
        (Step::Auth, ..) if scene.signs_in_by_token => (
            "The server does not take the token for this user: its audience or scope is another one, or the application may not \
             open the mailbox.",
            "Compare the connection's oauth_scope with what the server asks for, and see the server's log for its reasons.",
            Who::GatewayAdministrator,
        ),
        (Step::Auth, ..) => (
            "User name or password is wrong, or may not be used here.",
            "Enter username and password of the Service Connection again.",
            Who::GatewayAdministrator,
        ),
        (_, 530 | 538, _) => (
            "The server takes mail of authenticated or protected sessions only.",
            "Enter username and password in the Service Connection, and a security that the server accepts.",
            Who::GatewayAdministrator,
        ),
        (Step::Ehlo | Step::StartTls | Step::Reset, ..) => {
            (WORDS, "Look at the server's log for this session.", Who::GatewayAdministrator)
        }
        (_, _, Some((1, _))) => ("The address is not known there, or is none.", "Correct the address.", Who::Sender),
        (_, _, Some((2, _))) => {
            ("The mailbox there takes no mail: full, or disabled.", "Ask the recipient on another way.", Who::Sender)
        }
        (_, 552, _) | (_, _, Some((3, 4))) => (
            "The message is larger than the server takes.",
            "Send a smaller message, or enlarge the limit there.",
            Who::Sender,
        ),
        (_, _, Some((7, _))) => (
            "A policy of the server forbids it: the sender, the recipient, the content, or relaying for this machine.",
            "Ask who runs the server; for relaying, enter username and password or have this machine's address let in.",
            Who::GatewayAdministrator,
        ),
        _ => (WORDS, "Ask who runs the server, with these words.", Who::GatewayAdministrator),
    }
}

/// A trouble instead of a reply.
fn unsaid(step: Step, trouble: &Trouble, scene: &Scene<'_>) -> Explanation {
    let (host, port) = (scene.host, scene.port);
    if step == Step::EndOfData {
        return explanation(
            format!("{host} did not say whether it took the message."),
            format!("After the end of the message: {trouble}."),
            "If the connection's policy is to hold: ask a recipient, then retry or cancel it.",
            Who::GatewayAdministrator,
        );
    }
    if let Some((what, obstacle)) = obstacle(trouble, scene) {
        return explanation(what, format!("{obstacle}."), &obstacle.fix, obstacle.who);
    }
    let network =
        "Check host and port, name resolution, firewall and [proxy] in postern.toml. It is tried again by itself.";
    let (what, fix) = match trouble {
        Trouble::Tls(_) | Trouble::HostName => (
            format!("No TLS with {host}:{port}."),
            "Use the name in the server's certificate as host; check whether the port wants security = \"starttls\" or \
             \"implicit\".",
        ),
        Trouble::Injected => (
            format!("The session with {host}:{port} was tampered with, or the server is broken."),
            "Find out who stands between; nothing was said in that session.",
        ),
        Trouble::NotSmtp(_) => (
            format!("{host}:{port} does not speak SMTP."),
            "Check host and port, and whether the port wants security = \"implicit\".",
        ),
        _ if step == Step::Connect => (format!("{host}:{port} cannot be reached."), network),
        _ if step == Step::Greeting => (
            format!("{host}:{port} says nothing."),
            "Check the port, and whether it wants security = \"implicit\". It is tried again by itself.",
        ),
        _ => (format!("The session with {host}:{port} broke {step}."), "Nothing, if it is rare: it is tried again."),
    };
    let mut why = trouble.to_string();
    if !why.ends_with('.') {
        why.push('.');
    }
    explanation(what, why, fix, Who::NetworkAdministrator)
}

/// What stood in the way to the server, or in the way of its certificate, where that is known.
fn obstacle(trouble: &Trouble, scene: &Scene<'_>) -> Option<(String, Obstacle)> {
    let (host, port) = (scene.host, scene.port);
    match trouble {
        Trouble::Way(error) => Some((format!("{host}:{port} cannot be reached."), error.obstacle())),
        Trouble::Tls(error) => Some((format!("No TLS with {host}:{port}."), graph::tls_obstacle(host, error)?)),
        _ => None,
    }
}

/// What this server cannot carry, so that it is not even asked.
pub(super) fn impossible(what: &str, why: &str, fix: &str) -> Explanation {
    explanation(what.to_owned(), why.to_owned(), fix, Who::Sender)
}

fn explanation(what: impl Into<String>, why: String, fix: &str, who: Who) -> Explanation {
    Explanation { what: what.into(), why, fix: fix.to_owned(), who: who.to_string(), code: None }
}
