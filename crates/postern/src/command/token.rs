//! `postern token create|list|revoke`

use admin::people::{ApiTokenSummary, NewApiToken, create_api_token, list_api_tokens, revoke_api_token};
use admin::{Actor, Role};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::config::Loaded;
use crate::opening::open_store;
use crate::terminal::{Failure, plain, say, say_json, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  postern token create monitoring --role viewer --expires-in-days 365
  postern token list
  postern token revoke monitoring")]
pub(crate) enum Command {
    /// Make a token, and show it once
    Create {
        /// What it is for; in the audit log it is called token:NAME
        name: String,
        /// What may be done with it: viewer, operator or administrator
        #[arg(long, value_parser = super::user::parse_role, default_value = "viewer")]
        role: Role,
        /// Days until it is worth nothing any more [default: never]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        expires_in_days: Option<u16>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List tokens
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Make a token worth nothing, at once
    Revoke {
        name: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command, loaded: &Loaded) -> Result<(), Failure> {
    let (actor, now) = (Actor::command_line(), Timestamp::now());
    super::block_on(async {
        let store = &*open_store(&loaded.config).await?;
        match command {
            Command::Create { name, role, expires_in_days, json } => {
                let expires_at = expires_in_days.map(|days| end(now, days)).transpose()?;
                let new = NewApiToken { name: name.clone(), role: *role, expires_at };
                let created = create_api_token(store, &actor, &new, now).await?;
                let token = created.token.expose_secret();
                if *json {
                    return say_json(&json!({ "token": token, "summary": created.summary }));
                }
                say(format!("{} made; shown this once:\n{token}", plain(&created.summary.name)))
            }
            Command::List { json } => list(&list_api_tokens(store, &actor, now)?, *json),
            Command::Revoke { name, json } => {
                revoke_api_token(store, &actor, name, now).await?;
                if *json { say_json(&json!({ "revoked": name })) } else { say(format!("{} revoked", plain(name))) }
            }
        }
    })
}

fn end(now: Timestamp, days: u16) -> Result<Timestamp, Failure> {
    now.checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(|error| Failure::usage(format!("no such time: {error}"), "Give fewer days."))
}

fn list(tokens: &[ApiTokenSummary], json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&tokens);
    }
    if tokens.is_empty() {
        return say("no tokens yet: 'postern token create NAME' makes one");
    }
    let row = |token: &ApiTokenSummary| {
        let end = match (token.expires_at, token.expired) {
            (Some(at), true) => format!("expired {at}"),
            (Some(at), false) => at.to_string(),
            (None, _) => "never".to_owned(),
        };
        vec![plain(&token.name), token.role.name().to_owned(), token.created_at.to_string(), end]
    };
    let rows: Vec<Vec<String>> = tokens.iter().map(row).collect();
    say(table(&["NAME", "ROLE", "MADE", "EXPIRES"], &rows))
}
