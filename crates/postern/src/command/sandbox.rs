//! `postern sandbox`: the stand-in tenant as a server of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use sandbox::{Config, Sandbox, Tls};

use crate::config::Log;
use crate::serve::signals::Signals;
use crate::serve::{logging, runtime};
use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postern sandbox                                   tenant contoso.test on http://127.0.0.1:9000
  postern sandbox --config my-tenant.toml           with users, secrets and limits of one's own
  postern sandbox --tls-ca ca.pem                   HTTPS as well; ca.pem is what clients must trust

Here --config names the sandbox's own file.")]
pub(crate) struct Options {
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDR")]
    listen: SocketAddr,
    /// Answer HTTPS too, with a certificate made at start; write the authority to trust to this file
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// Answer HTTPS too, with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, config: Option<&Path>) -> Result<(), Failure> {
    // POSTERN_CONFIG names the gateway's configuration, never the sandbox's.
    let from_environment = std::env::var_os("POSTERN_CONFIG").map(PathBuf::from);
    let file = config.filter(|file| Some(*file) != from_environment.as_deref());
    let mut config = match file {
        None => Config::default(),
        Some(file) => read_config(file)?,
    };
    if file.is_none() {
        config.listener.smtp_listen = free_submission();
    }
    let tls = tls(options)?;
    logging::init(&Log::default())?;
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let started = Sandbox::start(config, options.listen, tls).await;
        let running = started
            .map_err(|error| Failure::new(error, "Choose another address with --listen, or correct the file."))?;
        if let (Some(file), Some(pem)) = (&options.tls_ca, running.ca_pem()) {
            std::fs::write(file, pem)?;
        }
        say(format!("sandbox tenant at {}", running.base_url))?;
        if let Some(address) = running.smtp_addr {
            say(format!("submission by SMTP at {address}, with STARTTLS and XOAUTH2"))?;
        }
        signals.stop().await;
        running.shutdown().await;
        Ok(())
    })
}

/// Where the tenant takes submissions unless its settings say otherwise, if nobody else listens there.
pub(crate) fn free_submission() -> Option<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 1], 9587));
    std::net::TcpListener::bind(address).ok().map(|_| address)
}

fn read_config(file: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display()), "Name a readable file.")
    })?;
    Config::from_toml(&text).map_err(|error| {
        Failure::new(format!("{}: {error}", file.display()), "crates/sandbox/examples has a file with every key.")
    })
}

fn tls(options: &Options) -> Result<Option<Tls>, Failure> {
    let unusable =
        |error: sandbox::TlsError| Failure::new(error, "Name PEM files of a chain and its key, or use --tls-ca.");
    match (&options.tls_ca, &options.tls_cert, &options.tls_key) {
        (Some(_), ..) => Tls::self_signed(&[]).map(Some).map_err(unusable),
        (None, Some(chain), Some(key)) => {
            Tls::from_pem(&std::fs::read(chain)?, &std::fs::read(key)?).map(Some).map_err(unusable)
        }
        _ => Ok(None),
    }
}
