//! Working on a data folder as the user it belongs to.
//!
//! Root's cron jobs hand in mail beside a server that runs as a user of its own. A body that root spools would be a file
//! the server cannot read, and its message would be set aside as damaged. So root steps down before it touches the
//! folder.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::process::geteuid;
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::terminal::Failure;

/// Makes this thread, and those it starts from now on, the folder's owner. Nothing happens unless we are root and the
/// folder is somebody else's. What root alone may read must have been read before.
pub(crate) fn become_owner_of(folder: &Path) -> Result<(), Failure> {
    // A folder that is not there will be root's own.
    let Some(owner) = std::fs::metadata(folder).ok().filter(|it| it.uid() != 0 && geteuid().is_root()) else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    // Groups first: whoever is no longer root may not change them.
    let stepped_down = set_thread_groups(&[gid]).and_then(|()| set_thread_gid(gid)).and_then(|()| set_thread_uid(uid));
    stepped_down.map_err(|error| {
        Failure::new(
            format!("cannot work on {} as its owner (uid {}): {error}", folder.display(), owner.uid()),
            "Run the command as that user.",
        )
    })
}

/// Root would make a database that the folder's owner cannot open. One that is there is safe: SQLite gives the files
/// beside it to its owner.
pub(crate) fn would_make_roots_own(folder: &Path) -> bool {
    geteuid().is_root()
        && std::fs::metadata(folder).is_ok_and(|it| it.uid() != 0)
        && !folder.join("postern.db").exists()
}
