//! Dialogs as transcripts, played against a listener.
//!
//! ```text
//! # why this dialog exists
//! % auth = optional            a setting of the listener or of a limit
//! hello                        EHLO, its reply not looked at
//! sign in                      EHLO and AUTH as the account
//! C: NOOP                      sent with CRLF; lines in a row are sent in one piece; \r \n \0 are escapes, and a
//!                              line that ends in \c gets no CRLF; \e is nothing, \x a lot of x
//! S: 250 2.0.0 OK              expected exactly; with a * at its end, up to there
//! tls                          the TLS handshake
//! closed                       the server closes the connection
//! ```

use wire::LineEndings;

use super::super::{AuthMode, TlsMode};
use super::client::Client;
use super::gate::{Gate, Setup};

/// A test for each transcript, and one that none was forgotten.
macro_rules! dialogs {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::smtp::tests::dialog::play(include_str!(concat!("tests/dialogs/", stringify!($name), ".txt"))).await;
            }
        )*

        #[test]
        fn every_dialog_is_played() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/smtp/tests/dialogs");
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut played: Vec<String> = [$(stringify!($name)),*].map(|name| format!("{name}.txt")).to_vec();
            played.sort();
            assert_eq!(files, played);
        }
    };
}
pub(super) use dialogs;

pub(super) async fn play(transcript: &str) {
    let steps: Vec<(usize, &str)> = transcript.lines().enumerate().filter(|(_, line)| is_step(line)).collect();
    let gate = Gate::open(|setup, tls| {
        for (_, line) in &steps {
            if let Some(option) = line.strip_prefix("% ") {
                set(setup, tls, option);
            }
        }
    })
    .await;
    let mut client = gate.connect().await;
    let mut unsent = Vec::new();
    for (at, line) in steps {
        if let Some(text) = line.strip_prefix("C: ") {
            unsent.extend(unescaped(text));
            continue;
        }
        if !unsent.is_empty() {
            client.send(std::mem::take(&mut unsent)).await;
        }
        client = step(&gate, client, line, at + 1).await;
    }
    assert!(unsent.is_empty(), "a transcript ends with the server's word");
    drop(client);
    gate.close().await;
}

fn is_step(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

async fn step(gate: &Gate, mut client: Client, line: &str, number: usize) -> Client {
    match line {
        "hello" => assert!(client.ask("EHLO client.test").await.starts_with("250 ")),
        "sign in" => {
            client.ask("EHLO client.test").await;
            assert_eq!(client.ask("AUTH PLAIN AGVycAByaWdodA==").await, "235 2.7.0 Authentication successful");
        }
        "tls" => return client.upgrade(&gate.tls).await,
        "closed" => assert_eq!(client.line().await, None, "line {number}"),
        _ if line.starts_with("% ") => {}
        _ => {
            let expected = line.strip_prefix("S: ").unwrap_or_else(|| panic!("line {number} is no step: {line}"));
            let said = client.line().await.unwrap_or_else(|| panic!("line {number}: closed instead of {expected:?}"));
            let matches = match expected.strip_suffix('*') {
                Some(start) => said.starts_with(start),
                None => said == expected,
            };
            assert!(matches, "line {number}: {said:?} instead of {expected:?}");
        }
    }
    client
}

fn unescaped(text: &str) -> Vec<u8> {
    let (text, end) = text.strip_suffix("\\c").map_or((text, "\r\n"), |text| (text, ""));
    let text = text
        .replace("\\e", "")
        .replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\0", "\0")
        .replace("\\x", &"x".repeat(20_000));
    format!("{text}{end}").into_bytes()
}

fn set(setup: &mut Setup, tls: &std::sync::Arc<rustls::ServerConfig>, option: &str) {
    let (name, value) = option.split_once(" = ").unwrap();
    match (name, value) {
        ("tls", "starttls") => setup.config.tls = TlsMode::StartTls(tls.clone()),
        ("tls", "implicit") => setup.config.tls = TlsMode::Implicit(tls.clone()),
        ("auth", "optional") => setup.config.auth = AuthMode::Optional,
        ("auth", "off") => setup.config.auth = AuthMode::Off,
        ("allow", network) => setup.config.allow = vec![network.parse().unwrap()],
        ("line_endings", "normalize") => setup.config.line_endings = LineEndings::Normalize,
        ("max_message_bytes", value) => setup.intake.max_message_bytes = value.parse().unwrap(),
        ("max_recipients", value) => setup.intake.max_recipients = value.parse().unwrap(),
        ("messages_per_minute", value) => setup.account.messages_per_minute = Some(value.parse().unwrap()),
        ("networks", value) => setup.account.networks = vec![value.parse().unwrap()],
        ("bad_commands", value) => setup.smtp.bad_commands = value.parse().unwrap(),
        ("commands_between_messages", value) => setup.smtp.commands_between_messages = value.parse().unwrap(),
        ("login_failures_per_session", value) => setup.smtp.login_failures_per_session = value.parse().unwrap(),
        _ => panic!("no such setting: {option}"),
    }
}
