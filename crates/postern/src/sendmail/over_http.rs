//! The way round a data folder this user may not open: hand the message to a server over its HTTP API.

use std::io::Read;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::exit::{Status, Trouble};
use super::input::Input;
use super::message::Prepared;
use crate::config::Config;

/// A large message over a slow line takes its time.
const DEADLINE: Duration = Duration::from_mins(10);

/// A server and the token of a submission account there.
pub(super) struct Server {
    url: Url,
    token: SecretString,
}

impl Server {
    /// From `POSTERN_URL` and `POSTERN_TOKEN`; `None` when there is no URL.
    pub(super) fn from_environment() -> Result<Option<Self>, Trouble> {
        let Ok(text) = std::env::var("POSTERN_URL") else { return Ok(None) };
        let wrong = |what: &str| {
            Trouble::new(Status::Config, what, "POSTERN_URL is the server's address, POSTERN_TOKEN its token.")
        };
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| wrong("POSTERN_URL is not an http or https address"))?;
        let token = std::env::var("POSTERN_TOKEN").map_err(|_| wrong("POSTERN_URL is set, POSTERN_TOKEN is not"))?;
        Ok(Some(Self { url, token: SecretString::from(token) }))
    }

    pub(super) async fn hand_in(
        &self,
        config: &Config,
        prepared: Prepared,
        input: &mut Input<impl Read>,
    ) -> Result<(), Trouble> {
        let body = read_all(config, prepared.head, input)?;
        let mut url = self.url.join("/api/v1/messages").map_err(|error| self.unreachable(&error))?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair(
                "from",
                &prepared.envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default(),
            );
            for recipient in &prepared.envelope.recipients {
                query.append_pair("to", recipient.address.as_str());
            }
        }
        let network = crate::opening::network(config)?;
        let http = network.client().map_err(|error| self.unreachable(&error))?;
        let request = http
            .post(url)
            .header("content-type", "message/rfc822")
            .bearer_auth(self.token.expose_secret())
            .timeout(DEADLINE)
            .body(body);
        let answer = request.send().await.map_err(|error| self.unreachable(&error.without_url()))?;
        let status = answer.status().as_u16();
        if status == 202 {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let detail = problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or("no reason given");
        let what = format!("{} answered {status}: {}", self.place(), crate::terminal::plain(detail));
        Err(Trouble::new(exit_status(status), what, "Nothing was queued."))
    }

    fn place(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> Trouble {
        let what = format!("{} cannot be reached: {error}", self.place());
        Trouble::new(Status::TemporaryFailure, what, "Check POSTERN_URL and the server; the same call may work later.")
    }
}

fn exit_status(status: u16) -> Status {
    match status {
        400 | 413 | 415 | 422 => Status::Data,
        401 | 403 => Status::NoPermission,
        429 | 500..=599 => Status::TemporaryFailure,
        _ => Status::Unavailable,
    }
}

/// The message in memory: this way is for the small mail of scripts, and the limit bounds it.
fn read_all(config: &Config, head: Vec<u8>, input: &mut Input<impl Read>) -> Result<Vec<u8>, Trouble> {
    let mut body = head;
    while let Some(chunk) = input.next_chunk()? {
        body.extend_from_slice(chunk);
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > config.limits.max_message_bytes {
            let what = format!("the message is larger than {} bytes", config.limits.max_message_bytes);
            return Err(Trouble::new(Status::Data, what, "Send less. Nothing was queued."));
        }
    }
    Ok(body)
}
