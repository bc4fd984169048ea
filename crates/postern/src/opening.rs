//! From configuration to the things commands work with: the store and the network.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use relay::Network;
use store::sqlite::SqliteStore;
use store::{Store, StoreError};

use crate::config::{Config, Loaded};
use crate::owner::{become_owner_of, would_make_roots_own};
use crate::terminal::Failure;

/// Opens the store beside whatever else works on it.
pub(crate) async fn open_store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    if would_make_roots_own(&config.data_dir) {
        return Err(Failure::new(
            format!("the data folder {} belongs to another user, and has no database yet", config.data_dir.display()),
            "Run this as that user, as in 'sudo -u USER postern ...': its server could not open a database of root's.",
        ));
    }
    Ok(Arc::new(open_sqlite(config)?))
}

/// Opens the store to look at it, or to change what is in it. One that is not there has nothing to show: an empty
/// answer out of the wrong folder would be a false all-clear.
pub(crate) async fn open_existing(loaded: &Loaded) -> Result<Arc<dyn Store>, Failure> {
    require_queue(loaded)?;
    open_store(&loaded.config).await
}

/// Unless somebody named the folder, it must hold a queue already.
fn require_queue(loaded: &Loaded) -> Result<(), Failure> {
    let folder = &loaded.config.data_dir;
    if loaded.names_data_dir || folder.join("postern.db").exists() || is_forbidden(folder) {
        return Ok(());
    }
    Err(Failure::new(
        format!("the data folder {} holds no queue", folder.display()),
        "Name the server's folder: --data-dir, POSTERN_DATA_DIR, or an absolute data_dir in /etc/postern/postern.toml.",
    ))
}

pub(crate) fn open_sqlite(config: &Config) -> Result<SqliteStore, Failure> {
    require_sqlite(config)?;
    SqliteStore::open(&config.data_dir).map_err(|error| cannot_open(&config.data_dir, &error))
}

/// Opens the store to hand in a message. A queue that was made in whatever folder the caller happens to be in would be
/// served by nobody.
pub(crate) fn open_queue(loaded: &Loaded) -> Result<SqliteStore, Failure> {
    become_owner_of(&loaded.config.data_dir)?;
    require_queue(loaded)?;
    open_sqlite(&loaded.config)
}

fn require_sqlite(config: &Config) -> Result<(), Failure> {
    match config.problems().into_iter().find(|problem| problem.what.starts_with("store.")) {
        Some(problem) => Err(Failure::new(problem.what, problem.fix)),
        None => Ok(()),
    }
}

fn cannot_open(folder: &Path, error: &StoreError) -> Failure {
    let fix = if is_forbidden(folder) {
        "Run as the user the folder belongs to, or name another with --data-dir."
    } else {
        match error {
            StoreError::DiskFull { .. } => "Make room on that disk.",
            _ => "Look at the folder; 'postern doctor' says more. Nothing was changed.",
        }
    };
    Failure::new(format!("the data folder {} cannot be opened: {error}", folder.display()), fix)
}

/// The folder, or its database, is there for others than us.
pub(crate) fn is_forbidden(folder: &Path) -> bool {
    let denied = |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let database = folder.join("postern.db");
    let key = folder.join("master.key");
    denied(std::fs::read_dir(folder).map(drop))
        || denied(std::fs::OpenOptions::new().append(true).open(database).map(drop))
        || denied(std::fs::File::open(key).map(drop))
        || (!folder.exists()
            && folder.parent().is_some_and(|parent| {
                rustix::fs::access(
                    if parent.as_os_str().is_empty() { Path::new(".") } else { parent },
                    rustix::fs::Access::WRITE_OK,
                )
                .is_err()
            }))
}

/// How everything outbound leaves.
pub(crate) fn network(config: &Config) -> Result<Network, Failure> {
    let ca_bundle_pem = match &config.proxy.ca_bundle {
        None => None,
        Some(file) => Some(std::fs::read(file).map_err(|error| {
            Failure::new(
                format!("proxy.ca_bundle: {} cannot be read: {error}", file.display()),
                "Name a readable PEM file.",
            )
        })?),
    };
    Ok(Network {
        proxy: config.proxy.url.clone(),
        no_proxy: config.proxy.no_proxy.clone(),
        ca_bundle_pem,
        hostname: Some(config.hostname()),
        ..Network::default()
    })
}
