//! The demo's clients: each hands in real mail the way a real program does.

use std::process::Stdio;
use std::time::Duration;

use mail::{Address, Envelope};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use wire::{Capabilities, DotStuffer, ServerReply, Severity, auth_line, ehlo_line, mail_line, parse_reply, rcpt_line};

use super::{ACCOUNT, PASSWORD, TOKEN};
use crate::config::Config;
use crate::serve::gateway::Gateway;
use crate::terminal::{Failure, say};

/// A message that was handed in: where to look for it, and by what.
pub(super) struct Sent {
    pub way: &'static str,
    pub subject: String,
    /// Whose inboxes it must reach.
    pub recipients: Vec<&'static str>,
}

/// For each step of a client; everything is on this machine.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn hand_in_all(gateway: &Gateway, config: &Config) -> Result<Vec<Sent>, Failure> {
    let mut sent = Vec::new();
    if let Some(address) = gateway.smtp.first() {
        sent.push(over_smtp(*address).await?);
    }
    sent.push(over_http(gateway).await?);
    sent.push(by_sendmail(config).await?);
    Ok(sent)
}

fn broken(way: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{way}: {why}"), "This should not happen: run the demo again, and report it if it does.")
}

/// A multipart message with an attachment and a blind copy.
async fn over_smtp(address: std::net::SocketAddr) -> Result<Sent, Failure> {
    const WAY: &str = "SMTP";
    let subject = "Invoice 4711, with an attachment".to_owned();
    let mut envelope = Envelope::new(parse("erp@contoso.test")?);
    envelope.add(parse("anna@contoso.test")?);
    envelope.add(parse("ben@contoso.test")?); // in no header field: a blind copy
    let message = format!(
        "From: ERP <erp@contoso.test>\r\nTo: Anna <anna@contoso.test>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\nGrüße from the demo.\r\n.A line that begins with a dot.\r\n\
         --part\r\nContent-Type: text/csv; name=invoice.csv\r\n\
         Content-Disposition: attachment; filename=invoice.csv\r\n\r\nitem;price\r\nbolt;0.12\r\n--part--\r\n"
    );
    let work = async {
        let mut client = Client::connect(address).await?;
        let capabilities = client.sign_in().await?;
        let mut lines = Vec::new();
        mail_line(&envelope, u64::try_from(message.len()).ok(), &capabilities, &mut lines);
        client.command(&lines).await?;
        for recipient in &envelope.recipients {
            lines.clear();
            rcpt_line(recipient, &capabilities, &mut lines);
            client.command(&lines).await?;
        }
        client.command(b"DATA\r\n").await?;
        lines.clear();
        let mut stuffer = DotStuffer::default();
        stuffer.push(message.as_bytes(), &mut lines);
        stuffer.finish(&mut lines);
        let queued = client.command(&lines).await?;
        client.command(b"QUIT\r\n").await?;
        Ok::<_, Failure>(queued.text())
    };
    let answer = tokio::time::timeout(STEP_DEADLINE, work).await.map_err(|_| broken(WAY, "no answer"))??;
    say(format!("  -> SMTP      250 {answer}"))?;
    Ok(Sent { way: WAY, subject, recipients: vec!["anna@contoso.test", "ben@contoso.test"] })
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    async fn connect(address: std::net::SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|error| broken("SMTP", error))?;
        let mut client = Self { stream, input: Vec::new() };
        client.reply().await?;
        Ok(client)
    }

    async fn sign_in(&mut self) -> Result<Capabilities, Failure> {
        use base64::Engine as _;
        let mut line = Vec::new();
        ehlo_line("erp.contoso.test", &mut line);
        let capabilities = Capabilities::from_reply(&self.command(&line).await?);
        line.clear();
        let response = base64::engine::general_purpose::STANDARD.encode(format!("\0{ACCOUNT}\0{PASSWORD}"));
        auth_line("PLAIN", Some(&response), &mut line);
        self.command(&line).await?;
        Ok(capabilities)
    }

    async fn command(&mut self, octets: &[u8]) -> Result<ServerReply, Failure> {
        self.stream.write_all(octets).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<ServerReply, Failure> {
        loop {
            if let Some((reply, length)) = parse_reply(&self.input).map_err(|error| broken("SMTP", error))? {
                self.input.drain(..length);
                return match reply.severity() {
                    Severity::Positive | Severity::Intermediate => Ok(reply),
                    _ => Err(broken("SMTP", format!("{} {}", reply.code, reply.text()))),
                };
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(broken("SMTP", "the connection was closed"));
            }
        }
    }
}

async fn over_http(gateway: &Gateway) -> Result<Sent, Failure> {
    const WAY: &str = "HTTP";
    use secrecy::ExposeSecret;
    let subject = "Your password was reset".to_owned();
    let token = SecretString::from(TOKEN);
    let http = relay::Network::default().client().map_err(|error| broken(WAY, error))?;
    let message = json!({
        "from": "Portal <noreply@contoso.test>",
        "to": "Ben <ben@contoso.test>",
        "subject": subject,
        "text": "It was you, we hope.",
        "html": "<p>It was <b>you</b>, we hope.</p>",
        "priority": "high",
    });
    let answer = http
        .post(format!("http://{}/api/v1/messages", gateway.http))
        .bearer_auth(token.expose_secret())
        .json(&message)
        .timeout(STEP_DEADLINE)
        .send()
        .await
        .map_err(|error| broken(WAY, error))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if status.as_u16() != 202 {
        return Err(broken(WAY, format!("{status} {text}")));
    }
    say(format!("  -> HTTP      {status} {}", text.split_whitespace().collect::<Vec<_>>().join(" ")))?;
    Ok(Sent { way: WAY, subject, recipients: vec!["ben@contoso.test"] })
}

/// A process of its own, as cron or a script would start it: it puts the message into the queue beside the running
/// server, which hears of it at once.
async fn by_sendmail(config: &Config) -> Result<Sent, Failure> {
    const WAY: &str = "sendmail";
    let subject = "Nightly backup finished".to_owned();
    let program = std::env::current_exe()?;
    let mut child = Command::new(program)
        .arg("sendmail")
        .args(["-t", "-i", "-v", "-f", "scanner@contoso.test", "--data-dir"])
        .arg(&config.data_dir)
        .env_remove("POSTERN_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let text = format!(
        "From: Backup <scanner@contoso.test>\nTo: Anna <anna@contoso.test>\nSubject: {subject}\n\n1,204 files, 3 minutes.\n"
    );
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).await?;
    }
    let ended = tokio::time::timeout(STEP_DEADLINE, child.wait_with_output()).await;
    let output = ended.map_err(|_| broken(WAY, "it did not end"))??;
    if !output.status.success() {
        return Err(broken(WAY, String::from_utf8_lossy(&output.stderr)));
    }
    say(format!("  -> sendmail  status 0, {}", String::from_utf8_lossy(&output.stdout).trim()))?;
    Ok(Sent { way: WAY, subject, recipients: vec!["anna@contoso.test"] })
}

fn parse(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error| broken("the demo", error))
}
