//! Calling a webhook once, to see whether its receiver takes what Postern signs.

use std::time::Duration;

use jiff::Timestamp;
use relay::Network;
use serde::Serialize;
use serde_json::json;
use settings::Webhook;
use store::{Explanation, Store};

use super::with_id;
use crate::doctor::GATEWAY_ADMINISTRATOR;
use crate::sealed_secret::webhook_secret;
use crate::{Actor, AdminError, Refused, Role};

/// Somebody watches the page.
const DEADLINE: Duration = Duration::from_secs(15);

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookTest {
    /// Name of the webhook.
    pub webhook: String,
    /// The receiver answered 2xx.
    pub ok: bool,
    /// HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// Why it is not well.
    pub explanation: Option<Explanation>,
}

/// Sends a signed call of the type `ping`, also to a webhook that is disabled. Nothing is retried.
pub async fn test_webhook(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    network: &Network,
    now: Timestamp,
) -> Result<WebhookTest, AdminError> {
    actor.must_be(Role::Administrator)?;
    let webhook = with_id(&store.settings().borrow(), id)?.clone();
    let (status, explanation) = match call(store, actor, &webhook, network, now).await? {
        Ok(status) => (Some(status), refusal(status)),
        Err(trouble) => (None, Some(no_answer(&webhook, trouble))),
    };
    tracing::info!(event = "webhook_tested", webhook = %webhook.id, actor = actor.name(), status);
    Ok(WebhookTest { webhook: webhook.name, ok: explanation.is_none(), status, explanation })
}

/// The status, or why there was none.
async fn call(
    store: &dyn Store,
    actor: &Actor,
    webhook: &Webhook,
    network: &Network,
    now: Timestamp,
) -> Result<Result<u16, String>, AdminError> {
    let unusable =
        || Refused::new("the webhook's secret cannot be used", "Make a new secret, and give it to the receiver.");
    let secret = store.key_ring().open(&webhook_secret(&webhook.id), &webhook.secret).map_err(|_| unusable())?;
    let data = json!({ "webhook": webhook.name, "by": actor.name() });
    let body = json!({ "type": "ping", "timestamp": now, "data": data }).to_string();
    let id = format!("ping-{}-{}", webhook.id, now.as_millisecond());
    let signature = telling::sign(&secret, &id, now.as_second(), body.as_bytes()).ok_or_else(unusable)?;
    let client = match network.client() {
        Ok(client) => client,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let call = client
        .post(webhook.url.clone())
        .timeout(DEADLINE)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now.as_second().to_string())
        .header("webhook-signature", signature)
        .body(body);
    // The address stands on the page already, and may be a secret of its own.
    Ok(call.send().await.map(|answer| answer.status().as_u16()).map_err(|error| innermost(&error.without_url())))
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// `None`: the receiver took it.
fn refusal(status: u16) -> Option<Explanation> {
    let fix = match status {
        200..=299 => return None,
        300..=399 => "Enter the address it leads to: a webhook is not followed elsewhere.",
        401 | 403 => "Give the receiver the secret of this webhook; if it is lost, make a new one.",
        404 | 405 | 410 => "Correct the URL.",
        _ => "Look at the log of the receiver.",
    };
    Some(explained("The receiver did not take the call.", format!("It answered {status}."), fix))
}

fn no_answer(webhook: &Webhook, trouble: String) -> Explanation {
    let host = webhook.url.host_str().unwrap_or_default();
    explained(
        "The receiver did not answer.",
        trouble,
        &format!("Look whether {host} can be reached from the gateway's machine, through its proxy if it has one."),
    )
}

fn explained(what: &str, why: String, fix: &str) -> Explanation {
    Explanation { what: what.to_owned(), why, fix: fix.to_owned(), who: GATEWAY_ADMINISTRATOR.to_owned(), code: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_taken_is_well() {
        for (status, is_well) in [(200, true), (204, true), (301, false), (401, false), (404, false), (500, false)] {
            assert_eq!(refusal(status).is_none(), is_well, "{status}");
        }
    }
}
