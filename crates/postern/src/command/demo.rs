//! `postern demo`: everything at once, against the sandbox tenant, without an account anywhere.
//!
//! Nothing here is special: the gateway is the one `serve` runs, the settings are applied as `apply` does, and the
//! messages come in by a socket, over HTTP, and from a `sendmail` of its own process.

mod clients;
mod follow;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use admin::people::{self, NewUser, SignInGate};
use admin::{Actor, Mode, Role, SecretSource, SetupFile, apply};
use clap::Args;
use jiff::Timestamp;
use sandbox::{Running, Sandbox};
use url::Url;

use crate::command::sandbox::free_submission;
use crate::config::{Config, Http, Log, Smtp};
use crate::serve::gateway::Gateway;
use crate::serve::signals::Signals;
use crate::serve::{logging, runtime};
use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// End when every message has arrived: status 0; or when one did not: status 1
    #[arg(long)]
    once: bool,
}

/// Far more than the messages need, far less than anybody's patience.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(30);
const SANDBOX_PORT: u16 = 9000;
const HTTP_PORT: u16 = 8080;
const SMTP_PORT: u16 = 2525;

/// What the demo's clients sign in with. Known to everybody, and good for nothing but this demo on loopback.
pub(super) const ACCOUNT: &str = "demo";
pub(super) const PASSWORD: &str = "demo-password";
pub(super) const TOKEN: &str = "demo-token";
/// Who administers the demo.
const ADMINISTRATOR: &str = "admin";
const ADMINISTRATOR_PASSWORD: &str = "demo of postern";

pub(crate) fn run(options: &Options, data_dir: Option<&Path>) -> Result<(), Failure> {
    logging::init(&Log { level: "warn,postern::serve::gateway=error".to_owned(), ..Log::default() })?;
    let temporary = tempfile::tempdir()?;
    let folder = data_dir.map_or_else(|| temporary.path().to_owned(), Path::to_owned);
    runtime()?.block_on(demo(options, folder))
}

async fn demo(options: &Options, data_dir: PathBuf) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut sandbox = sandbox::Config::default();
    sandbox.listener.smtp_listen = if options.once { None } else { free_submission() };
    let tenant = Sandbox::start(sandbox, address(SANDBOX_PORT, options)?, None)
        .await
        .map_err(|error| Failure::new(error, "Free the address, or look at the limits of this process."))?;
    let mut config = configuration(options, data_dir)?;
    config.proxy.ca_bundle = trust(&tenant, &config.data_dir)?;
    let gateway = Gateway::start(&config).await?;
    set_up(&gateway, &tenant).await?;
    introduce(&gateway, &tenant)?;

    let all_arrived = tokio::select! {
        arrived = send_and_follow(&gateway, &tenant, &config) => arrived?,
        () = signals.stop() => return Err(Failure::new("interrupted", "Run it again to see the messages arrive.")),
    };
    if !options.once {
        say("\nEverything keeps running, for your own messages. Ctrl-C ends it.")?;
        signals.stop().await;
    }
    gateway.shutdown().await;
    tenant.shutdown().await;
    if all_arrived {
        Ok(())
    } else {
        Err(Failure::new("not every message has arrived", "The lines above say which, and why."))
    }
}

/// Whether every message has arrived.
async fn send_and_follow(gateway: &Gateway, tenant: &Running, config: &Config) -> Result<bool, Failure> {
    let sent = clients::hand_in_all(gateway, config).await?;
    follow::until_arrived(gateway, tenant, &sent, ARRIVAL_DEADLINE).await
}

/// The well-known port if it is free, else one that is. A run that ends by itself leaves the well-known ones to others,
/// so that several may run at once.
fn address(port: u16, options: &Options) -> Result<SocketAddr, Failure> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, if options.once { 0 } else { port }));
    let free = TcpListener::bind(wanted).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(free.local_addr()?)
}

fn configuration(options: &Options, data_dir: PathBuf) -> Result<Config, Failure> {
    let http = address(HTTP_PORT, options)?;
    Ok(Config {
        data_dir,
        hostname: Some("postern.contoso.test".to_owned()),
        public_url: public_url(http),
        http: Http { listen: http, ..Http::default() },
        smtp: vec![Smtp { listen: address(SMTP_PORT, options)?, ..Smtp::default() }],
        ..Config::default()
    })
}

/// What vouches for the sandbox's SMTP server, in a file; `None`: it has none.
fn trust(tenant: &Running, data_dir: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(pem) = tenant.smtp_ca_pem() else { return Ok(None) };
    std::fs::create_dir_all(data_dir)?;
    let file = data_dir.join("sandbox-ca.pem");
    std::fs::write(&file, pem)?;
    Ok(Some(file))
}

/// Where the browser on this machine finds the console.
fn public_url(http: SocketAddr) -> Url {
    let mut url = Config::default().public_url;
    // An http address has a port to set.
    let _ = url.set_port(Some(http.port()));
    url
}

async fn set_up(gateway: &Gateway, tenant: &Running) -> Result<(), Failure> {
    let sandbox = &tenant.base_url;
    let smtp = tenant.smtp_addr.map(|it| format!(", smtp = \"localhost:{}\"", it.port())).unwrap_or_default();
    let setup = format!(
        "[[tenant]]\nname = \"Contoso (sandbox)\"\ncloud = {{ login = \"{sandbox}\", graph = \"{sandbox}\"{smtp} }}\n\
         tenant_id = \"11111111-2222-3333-4444-555555555555\"\n\
         client_id = \"66666666-7777-8888-9999-000000000000\"\nclient_secret = \"sandbox-secret\"\n\
         [[connection]]\nname = \"Contoso Graph\"\nservice = \"Microsoft Entra ID Graph API\"\n\
         tenant = \"Contoso (sandbox)\"\n\
         [emails]\nmailbox = \"noreply@contoso.test\"\nservice_connection = \"Contoso Graph\"\n\
         [[account]]\nname = \"{ACCOUNT}\"\npassword = \"{PASSWORD}\"\ntoken = \"{TOKEN}\"\n\
         allowed_senders = [\"*@contoso.test\"]\n"
    );
    let file =
        SetupFile::parse("the demo's setup", &setup).map_err(|refused| Failure::new(refused.what, refused.fix))?;
    let secrets = SecretSource::new(Path::new(""));
    let (store, actor, now) = (&*gateway.store, Actor::command_line(), Timestamp::now());
    apply(store, &actor, &file, &secrets, Mode::Change, now).await?;
    if people::needs_setup(store) {
        let (name, password) = (ADMINISTRATOR.to_owned(), Some(ADMINISTRATOR_PASSWORD.into()));
        let user = NewUser { name, role: Role::Administrator, password };
        people::add_user(store, &SignInGate::default(), &actor, &user, now).await?;
    }
    Ok(())
}

fn introduce(gateway: &Gateway, tenant: &Running) -> Result<(), Failure> {
    say(format!(
        "Postern {}: mail in over SMTP, HTTP and sendmail, out through Microsoft Graph\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    say(format!(
        "  sandbox tenant   {}   stands in for Microsoft 365; its mailboxes are there to look into",
        tenant.base_url
    ))?;
    if let Some(address) = tenant.smtp_addr {
        say(format!("  its submission   {address}          Exchange's SMTP: STARTTLS and a token"))?;
    }
    say(format!(
        "  console          http://{}   user {ADMINISTRATOR}, password {ADMINISTRATOR_PASSWORD:?}; also API, health, metrics",
        gateway.http
    ))?;
    for smtp in &gateway.smtp {
        say(format!("  SMTP             {smtp}   user {ACCOUNT}, password {PASSWORD}"))?;
    }
    say("")
}
