//! This machine: configuration, data folder, store.

use std::path::Path;

use store::Store;

use super::{Check, CheckStatus};
use crate::Refused;

/// File systems that forget (`statfs(2)`).
const VOLATILE: [(u64, &str); 3] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs"), (0x794c_7630, "overlay")];
/// Below this, a day of ordinary mail may not fit.
const LITTLE_ROOM_BYTES: u64 = 1024 * 1024 * 1024;

pub(super) fn configuration(problems: &[Refused]) -> Vec<Check> {
    const NAME: &str = "configuration";
    if problems.is_empty() {
        return vec![Check::ok(NAME, "nothing is wrong with it")];
    }
    problems.iter().map(|problem| Check::not_ok(NAME, CheckStatus::Fail, &problem.what, &problem.fix)).collect()
}

pub(super) fn data_folder(folder: &Path) -> Vec<Check> {
    vec![kept(folder), room(folder)]
}

fn kept(folder: &Path) -> Check {
    const NAME: &str = "data_folder";
    let shown = folder.display();
    match rustix::fs::statfs(folder) {
        Err(error) => Check::not_ok(
            NAME,
            CheckStatus::Fail,
            format!("{shown} cannot be looked at: {error}"),
            "Name the folder with --data-dir or data_dir, and run as the user it belongs to.",
        ),
        Ok(stat) => {
            let kind = u64::try_from(stat.f_type).unwrap_or_default();
            match VOLATILE.iter().find(|(magic, _)| *magic == kind) {
                Some((_, name)) => Check::not_ok(
                    NAME,
                    CheckStatus::Warn,
                    format!("{shown} is on {name}: what is queued is lost when the machine or container goes"),
                    "Put data_dir on a disk or a persistent volume.",
                ),
                None => Check::ok(NAME, format!("{shown} is on a file system that keeps its content")),
            }
        }
    }
}

fn room(folder: &Path) -> Check {
    const NAME: &str = "disk_space";
    let Ok(stat) = rustix::fs::statvfs(folder) else {
        return Check::not_ok(NAME, CheckStatus::Fail, "free space is unknown", "See the finding on the data folder.");
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} MiB free", free / (1024 * 1024));
    if free < LITTLE_ROOM_BYTES {
        return Check::not_ok(NAME, CheckStatus::Warn, found, "Make room, or shorten [retention] in postern.toml.");
    }
    Check::ok(NAME, found)
}

pub(super) async fn store_writable(store: &dyn Store) -> Check {
    const NAME: &str = "store";
    match store.probe().await {
        Ok(()) => Check::ok(NAME, "a byte was written and synced"),
        Err(error) => Check::not_ok(
            NAME,
            CheckStatus::Fail,
            format!("nothing can be written: {error}"),
            "Make room on the disk, or mend the file system; mail is not accepted until then.",
        ),
    }
}
