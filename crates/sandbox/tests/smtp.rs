//! Submission by SMTP: which tokens open which mailbox, and what becomes of a message.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets something unexpected ends there")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use sandbox::config::{Config, Tenant, User};
use sandbox::{Fault, FaultKind, Running, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const APP: &str = "66666666-7777-8888-9999-000000000000";
const EXCHANGE: &str = "https://outlook.office365.com";

async fn sandbox() -> Running {
    let users = Tenant::contoso().users.into_iter().map(|user| User {
        smtp_auth_disabled: user.upn == "scanner@contoso.test",
        send_as: if user.upn == "anna@contoso.test" { vec!["erp@contoso.test".into()] } else { user.send_as.clone() },
        ..user
    });
    let contoso = Tenant { users: users.collect(), ..Tenant::contoso() };
    let mut config = Config { tenants: vec![contoso], ..Config::default() };
    config.listener.smtp_listen = Some(([127, 0, 0, 1], 0).into());
    Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap()
}

struct Dialog<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Dialog<S> {
    async fn reply(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).await.unwrap() > 0, "the session is over");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }
}

async fn connect(running: &Running) -> Dialog<TcpStream> {
    let mut dialog = Dialog(BufReader::new(TcpStream::connect(running.smtp_addr.unwrap()).await.unwrap()));
    assert!(dialog.reply().await.starts_with("220 "));
    dialog
}

async fn secured(running: &Running) -> Dialog<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut plain = connect(running).await;
    assert_eq!(plain.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(running.smtp_ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, plain.0.into_inner()).await.unwrap();
    Dialog(BufReader::new(stream))
}

fn bearer(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

async fn log_in(running: &Running, user: &str, claims: &Value) -> String {
    let token = running.forge_token(APP, claims).unwrap();
    secured(running).await.ask(&format!("AUTH XOAUTH2 {}", bearer(user, &token))).await
}

#[tokio::test]
async fn a_token_opens_a_mailbox_only_with_the_right_of_its_kind() {
    let running = sandbox().await;
    let app = |change: Value| {
        let mut claims = json!({ "aud": EXCHANGE, "roles": ["SMTP.SendAsApp"] });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    let user = |scope: &str| app(json!({ "roles": null, "scp": scope, "upn": "anna@contoso.test" }));
    for (mailbox, claims, reply) in [
        ("noreply@contoso.test", app(json!({})), "235 2.7.0"),
        ("noreply@contoso.test", app(json!({ "aud": "https://graph.microsoft.com" })), "535 5.7.3"),
        ("noreply@contoso.test", app(json!({ "roles": ["Mail.Send"] })), "535 5.7.3"),
        ("noreply@contoso.test", app(json!({ "roles": null })), "535 5.7.3"),
        ("noreply@contoso.test", app(json!({ "exp": 1 })), "535 5.7.3"),
        ("missing@contoso.test", app(json!({})), "535 5.7.3"),
        ("unlicensed@contoso.test", app(json!({})), "535 5.7.3"),
        ("scanner@contoso.test", app(json!({})), "535 5.7.139"), // switched off for this mailbox
        ("anna@contoso.test", user("SMTP.Send offline_access"), "235 2.7.0"),
        ("erp@contoso.test", user("SMTP.Send"), "235 2.7.0"), // she may send as it
        ("ben@contoso.test", user("SMTP.Send"), "535 5.7.3"), // not hers
        ("anna@contoso.test", user("IMAP.AccessAsUser.All"), "535 5.7.3"),
    ] {
        let answer = log_in(&running, mailbox, &claims).await;
        assert!(answer.starts_with(reply), "{mailbox} {claims}\n{answer}");
    }
    let answer = log_in(&running, "noreply@contoso.test", &app(json!({}))).await;
    assert!(answer.starts_with("235"));
    let token = running.forge_token(APP, &app(json!({}))).unwrap();
    running.revoke_tokens();
    let revoked =
        secured(&running).await.ask(&format!("AUTH XOAUTH2 {}", bearer("noreply@contoso.test", &token))).await;
    assert!(revoked.starts_with("535 5.7.3"), "{revoked}");
}

#[tokio::test]
async fn nothing_of_a_session_goes_before_tls_and_a_token() {
    let running = sandbox().await;
    let mut plain = connect(&running).await;
    for (line, reply) in [
        ("AUTH XOAUTH2", "504 5.7.4"),
        ("MAIL FROM:<noreply@contoso.test>", "530 5.7.57"),
        ("RCPT TO:<a@x.test>", "503 "),
        ("DATA", "503 "),
        ("VRFY a", "500 "),
    ] {
        assert!(plain.ask(line).await.starts_with(reply), "{line}");
    }
    // What follows on the heels of STARTTLS was not said within TLS.
    let mut hasty = connect(&running).await;
    assert!(hasty.ask("STARTTLS\r\nEHLO a").await.starts_with("220"));
    let mut rest = String::new();
    assert_eq!(hasty.0.read_line(&mut rest).await.unwrap_or(0), 0, "{rest}");
}

#[tokio::test]
async fn a_message_lies_in_the_mailboxes_byte_for_byte_and_one_with_a_bare_line_feed_does_not() {
    let running = sandbox().await;
    let token = running.forge_token(APP, &json!({ "aud": EXCHANGE, "roles": ["SMTP.SendAsApp"] })).unwrap();
    let mut dialog = secured(&running).await;
    assert_eq!(dialog.ask("AUTH XOAUTH2").await, "334");
    assert!(dialog.ask(&bearer("noreply@contoso.test", &token)).await.starts_with("235"));
    for (message, reply) in [
        ("From: noreply@contoso.test\r\nSubject: x\r\n\r\n..dot\r\n.", "250 2.6.0"),
        ("From: noreply@contoso.test\r\nSubject: x\r\n\r\nbare\n.\r\n\r\n.", "550 5.6.11"),
        ("From: ben@contoso.test\r\nSubject: x\r\n\r\nx\r\n.", "554 5.2.252"),
    ] {
        for line in ["MAIL FROM:<noreply@contoso.test> SIZE=100", "RCPT TO:<anna@contoso.test>", "RCPT TO:<out@x.test>"]
        {
            assert!(dialog.ask(line).await.starts_with("250"), "{line}");
        }
        assert!(dialog.ask("DATA").await.starts_with("354"));
        let answer = dialog.ask(message).await;
        assert!(answer.starts_with(reply), "{answer}");
    }
    let deliveries = running.deliveries();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].form, deliveries[0].recipients.len()), ("smtp", 2));
    let stored = running.message(&deliveries[0].id).unwrap();
    assert_eq!(stored.raw, "From: noreply@contoso.test\r\nSubject: x\r\n\r\n.dot\r\n");
}

/// A session that is signed in.
async fn signed_in(running: &Running) -> Dialog<tokio_rustls::client::TlsStream<TcpStream>> {
    let token = running.forge_token(APP, &json!({ "aud": EXCHANGE, "roles": ["SMTP.SendAsApp"] })).unwrap();
    let mut dialog = secured(running).await;
    let answer = dialog.ask(&format!("AUTH XOAUTH2 {}", bearer("noreply@contoso.test", &token))).await;
    assert!(answer.starts_with("235"), "{answer}");
    dialog
}

#[tokio::test]
async fn chunks_carry_what_data_carries_and_bare_line_feeds_too() {
    let running = sandbox().await;
    let mut dialog = signed_in(&running).await;
    for (line, reply) in [
        ("BDAT 5 LAST\r\nabc", "503"), // nobody is to get it; it is read all the same
        ("BDAT x", "501"),
        ("BDAT 3 FIRST", "501"),
        ("MAIL FROM:<noreply@contoso.test> BODY=BINARYMIME", "250"),
        ("RCPT TO:<anna@contoso.test>", "250"),
        ("DATA", "503"), // it cannot carry binary
        ("BDAT 28\r\nFrom: noreply@contoso.test\r", "250 2.6.0"),
        ("RCPT TO:<ben@contoso.test>", "503"), // too late
        ("BDAT 0", "250"),
        ("BDAT 12 LAST\r\n\n\r\n\n.\r\n\r\n.\r", "250 2.6.0 <"),
        ("BDAT 0 LAST", "503"), // it is over
    ] {
        // `ask` ends the line, and with it the chunk.
        let answer = dialog.ask(line.strip_suffix('\r').unwrap_or(line)).await;
        assert!(answer.starts_with(reply), "{line:?}: {answer}");
    }
    let deliveries = running.deliveries();
    let stored = running.message(&deliveries[0].id).unwrap();
    assert_eq!(
        (deliveries.len(), stored.raw.clone()),
        (1, "From: noreply@contoso.test\r\n\n\r\n\n.\r\n\r\n.\r\n".into())
    );
}

#[tokio::test]
async fn each_step_suffers_what_was_ordered_for_it_and_no_more() {
    let running = sandbox().await;
    let order = |kind, step: &str| running.add_fault(Fault::new(kind).operation(step).saying("451 4.3.0 ordered"));
    order(FaultKind::SmtpReply, "smtpConnect");
    let mut refused = Dialog(BufReader::new(TcpStream::connect(running.smtp_addr.unwrap()).await.unwrap()));
    assert_eq!(refused.reply().await, "451 4.3.0 ordered");
    let mut dialog = signed_in(&running).await;
    let steps = [
        ("smtpEhlo", "EHLO x", "250"),
        ("smtpMail", "MAIL FROM:<noreply@contoso.test>", "250"),
        ("smtpRcpt", "RCPT TO:<anna@contoso.test>", "250"),
        ("smtpData", "DATA", "354"),
    ];
    for (step, line, usual) in steps {
        order(FaultKind::SmtpReply, step);
        assert_eq!(dialog.ask(line).await, "451 4.3.0 ordered", "{line}");
        assert!(dialog.ask(line).await.starts_with(usual), "{line} again");
    }
    order(FaultKind::SmtpReply, "smtpEndOfData");
    assert_eq!(dialog.ask("From: noreply@contoso.test\r\n\r\nx\r\n.").await, "451 4.3.0 ordered");
    assert!(running.deliveries().is_empty());
}

#[tokio::test]
async fn a_session_that_is_dropped_after_the_message_was_taken_says_nothing_of_it() {
    let running = sandbox().await;
    for (kind, taken) in [(FaultKind::SmtpDrop, 0), (FaultKind::SmtpDropAfterCommit, 1)] {
        let mut dialog = signed_in(&running).await;
        for line in ["MAIL FROM:<noreply@contoso.test>", "RCPT TO:<anna@contoso.test>", "DATA"] {
            dialog.ask(line).await;
        }
        running.add_fault(Fault::new(kind).operation("smtpEndOfData"));
        dialog.0.get_mut().write_all(b"From: noreply@contoso.test\r\n\r\nx\r\n.\r\n").await.unwrap();
        let mut line = String::new();
        assert_eq!(dialog.0.read_line(&mut line).await.unwrap_or(0), 0, "{line}");
        assert_eq!(running.deliveries().len(), taken);
    }
}

#[tokio::test]
async fn a_reply_of_421_ends_the_session_and_a_fault_for_another_mailbox_strikes_nobody() {
    let running = sandbox().await;
    let gone = Fault::new(FaultKind::SmtpReply).operation("smtpMail").saying("421 4.3.2 Service not available");
    running.add_fault(gone.clone().mailbox("anna@contoso.test"));
    let mut dialog = signed_in(&running).await;
    assert!(dialog.ask("MAIL FROM:<noreply@contoso.test>").await.starts_with("250"));
    dialog.ask("RSET").await;
    running.add_fault(gone.mailbox("noreply@contoso.test"));
    assert!(dialog.ask("MAIL FROM:<noreply@contoso.test>").await.starts_with("421"));
    let mut line = String::new();
    assert_eq!(dialog.0.read_line(&mut line).await.unwrap_or(0), 0, "{line}");
}

#[tokio::test]
async fn the_thirty_first_message_of_a_minute_is_taken_and_arrives_in_the_next() {
    let running = sandbox().await;
    let mut dialog = signed_in(&running).await;
    for _ in 0..31 {
        for line in ["MAIL FROM:<noreply@contoso.test>", "RCPT TO:<anna@contoso.test>", "DATA"] {
            dialog.ask(line).await;
        }
        assert!(dialog.ask("From: noreply@contoso.test\r\n\r\nx\r\n.").await.starts_with("250"));
    }
    let mut arrivals: Vec<_> = running.deliveries().iter().map(|delivery| delivery.at).collect();
    arrivals.sort();
    assert_eq!(arrivals.len(), 31);
    assert_eq!(arrivals[30].duration_since(arrivals[0]).as_secs(), 60);
    assert!(arrivals[29].duration_since(arrivals[0]).as_secs() < 60);
}
