//! Watching the messages arrive in the sandbox's mailboxes.

use std::time::Duration;

use sandbox::{Folder, Running};
use store::{Filter, PageRequest};

use super::clients::Sent;
use crate::serve::gateway::Gateway;
use crate::terminal::{Failure, plain, say};

/// Whether all arrived; says of each where it is, or why it is not there.
pub(super) async fn until_arrived(
    gateway: &Gateway,
    tenant: &Running,
    sent: &[Sent],
    deadline: Duration,
) -> Result<bool, Failure> {
    say("")?;
    let expected = u64::try_from(sent.len()).unwrap_or(u64::MAX);
    // Whether it was reached is seen below, message by message.
    let _ = tokio::time::timeout(deadline, tenant.wait_for_deliveries(expected)).await;
    let mut all = true;
    for message in sent {
        for recipient in &message.recipients {
            let inbox = tenant.folder(recipient, Folder::Inbox);
            let found = inbox.iter().any(|copy| copy.delivery.subject.as_deref() == Some(&message.subject));
            all &= found;
            let way = message.way;
            if found {
                let link = format!("{}/mailboxes/{recipient}", tenant.base_url);
                say(format!("  ok       {way:<9} \"{}\" is in {link}", message.subject))?;
            } else {
                say(format!(
                    "  MISSING  {way:<9} \"{}\" for {recipient}: {}",
                    message.subject,
                    reason(gateway, message).await
                ))?;
            }
        }
    }
    Ok(all)
}

/// What the gateway knows of a message that did not arrive.
async fn reason(gateway: &Gateway, message: &Sent) -> String {
    let filter = Filter { text: Some(message.subject.clone()), ..Filter::default() };
    let page = gateway.store.messages(&filter, PageRequest { before: None, limit: 1 }).await;
    let Some(found) = page.ok().and_then(|page| page.messages.into_iter().next()) else {
        return "the gateway does not know it".to_owned();
    };
    match found.last_error {
        Some(error) => plain(&format!("{}: {} {} {}", found.state.name(), error.what, error.why, error.fix)),
        None => format!("the gateway says {}", found.state.name()),
    }
}
