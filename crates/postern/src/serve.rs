//! `postern serve`: from a configuration to a running gateway, and back down in order.

pub(crate) mod gateway;
pub(crate) mod logging;

mod http;
mod metrics;
mod pages;
pub(crate) mod signals;

use crate::command::require_sound;
use crate::config::Loaded;
use crate::terminal::Failure;
use gateway::Gateway;
use signals::{Signal, Signals};

pub(crate) fn run(loaded: &Loaded) -> Result<(), Failure> {
    require_sound(loaded)?;
    logging::init(&loaded.config.log)?;
    runtime()?.block_on(serve(loaded))
}

/// A runtime for servers: all cores.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}"), "Look at the limits of this process."))
}

async fn serve(loaded: &Loaded) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let file = loaded.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    let gateway = Gateway::start(&loaded.config).await?;
    tracing::info!(event = "server_started", version = env!("CARGO_PKG_VERSION"), config = file);
    while signals.next().await == Signal::Reload {
        gateway.reload_certificates();
    }
    tracing::info!(event = "server_stopping");
    tokio::select! {
        () = gateway.shutdown() => tracing::info!(event = "server_stopped"),
        // Whoever asks twice does not want to wait.
        _ = signals.next() => tracing::warn!(event = "server_stopped_at_once"),
    }
    Ok(())
}
