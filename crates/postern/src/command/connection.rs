//! `postern connection list|show|authenticate|test`

mod authenticate;

use admin::{
    Actor, ConnectionStanding, ConnectionSummary, ConnectionTest, connection_standing, list_connections,
    test_connection,
};
use clap::{Args, Subcommand};
use store::Explanation;

use crate::config::Loaded;
use crate::opening::{network, open_existing};
use crate::terminal::{Failure, STATUS_FAILED, plain, say, say_json, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List service connections
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one connection
    Show(One),
    /// Sign in for a delegated connection, with a code typed on another device; or prove the application's credential
    Authenticate(authenticate::Options),
    /// Ask Microsoft for a token, or the SMTP server for a session, and show what it allows
    Test(One),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Name of the connection
    name: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command, loaded: &Loaded) -> Result<(), Failure> {
    let actor = Actor::command_line();
    super::block_on(async {
        let store = open_existing(loaded).await?;
        match command {
            Command::List { json } => show_list(&list_connections(&*store, &actor)?, *json),
            Command::Show(one) => show(&connection_standing(&*store, &actor, &one.name).await?, one.json),
            Command::Authenticate(options) => authenticate::run(&store, &network(&loaded.config)?, options).await,
            Command::Test(one) => {
                let network = network(&loaded.config)?;
                show_test(&test_connection(&store, &actor, &one.name, &network).await?, one.json)
            }
        }
    })
}

fn show_list(connections: &[ConnectionSummary], json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&connections);
    }
    if connections.is_empty() {
        return say("no connections yet: describe one in a setup file and run 'postern apply FILE'");
    }
    let rows: Vec<Vec<String>> = connections
        .iter()
        .map(|it| {
            vec![
                it.name.clone(),
                it.service.name().to_owned(),
                it.tenant.clone().unwrap_or_default(),
                it.used_by.join(", "),
            ]
        })
        .collect();
    say(table(&["NAME", "SERVICE", "TENANT", "USED BY"], &rows))
}

fn show(standing: &ConnectionStanding, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(standing);
    }
    let it = &standing.connection;
    let none = || "none".to_owned();
    let credential = match (it.credential, it.client_secret_expires) {
        (Some(kind), Some(date)) => format!("{kind}, expires {date}"),
        (Some(kind), None) => kind.to_owned(),
        (None, _) => "none: no token can be asked for".to_owned(),
    };
    let rows = [
        ("name", it.name.clone()),
        ("id", it.id.clone()),
        ("service", it.service.name().to_owned()),
        ("tenant", it.tenant.clone().unwrap_or_else(none)),
        ("credential", credential),
        ("sign-in", sign_in(standing)),
        ("large messages", if it.large_messages { "yes" } else { "no" }.to_owned()),
        ("in flight", it.in_flight.to_string()),
        ("used by", if it.used_by.is_empty() { none() } else { it.used_by.join(", ") }),
    ];
    rows.iter().try_for_each(|(name, value)| say(format!("{name:<15} {value}")))
}

fn sign_in(standing: &ConnectionStanding) -> String {
    let again = "'postern connection authenticate'";
    match &standing.grant {
        None if standing.needs_sign_in => format!("missing: somebody must sign in, see {again}"),
        None => "none: it sends with the application's own permission".to_owned(),
        Some(grant) => match &grant.dead {
            Some(dead) => {
                let over = format!("over: {} {} must sign in again, see {again}", dead.what, grant.user);
                plain(&over)
            }
            None => format!("{}, refreshed {}", plain(&grant.user), grant.refreshed_at),
        },
    }
}

fn show_test(test: &ConnectionTest, json: bool) -> Result<(), Failure> {
    let failed = Failure { what: String::new(), fix: String::new(), status: STATUS_FAILED };
    if json {
        say_json(test)?;
        return if test.ok { Ok(()) } else { Err(failed) };
    }
    if let Some(token) = &test.token {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not said".to_owned());
        say(format!("'{}' got an access token", test.connection))?;
        say(format!("  for        {}", text(&token.audience)))?;
        say(format!("  tenant     {}", text(&token.tenant_id)))?;
        say(format!("  client     {}", text(&token.client_id)))?;
        say(format!(
            "  roles      {}",
            if token.roles.is_empty() { "none".to_owned() } else { token.roles.join(", ") }
        ))?;
        say(format!("  expires    {}", token.expires.map_or("not said".to_owned(), |at| at.to_string())))?;
    }
    if let Some(smtp) = &test.smtp {
        say(format!("'{}' opened a session with {}:{}", test.connection, smtp.host, smtp.port))?;
        say(format!("  TLS            {}", if smtp.tls { "yes" } else { "no" }))?;
        say(format!("  authenticated  {}", if smtp.authenticated { "yes" } else { "no, none asked for" }))?;
        let limit = smtp.max_message_bytes.map_or("not said".to_owned(), |limit| format!("{limit} octets"));
        say(format!("  largest        {limit}"))?;
        let lacks = if smtp.lacks.is_empty() { "nothing".to_owned() } else { smtp.lacks.join(", ") };
        say(format!("  lacks          {lacks}"))?;
    }
    match &test.explanation {
        Some(explanation) if !test.ok => Err(explained(&test.connection, explanation)),
        Some(advice) => say(format!("note: {} {}\n      {}", advice.what, advice.why, advice.fix)),
        None if test.ok => Ok(()),
        None => Err(failed),
    }
}

fn explained(connection: &str, explanation: &Explanation) -> Failure {
    let code = explanation.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
    let what = plain(&format!("'{connection}': {} {}{code}", explanation.what, explanation.why));
    Failure::new(what.trim(), plain(&format!("{} ({})", explanation.fix, explanation.who)))
}
