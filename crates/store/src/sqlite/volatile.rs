//! Notices a data folder that does not outlive the machine or the container.

use std::path::Path;

/// The kind of file system under `folder` if it forgets: `tmpfs`, `ramfs` or `overlay`.
pub(super) fn volatile_file_system(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let folder = folder.canonicalize().ok()?;
    file_system(&mounts, &folder).filter(|kind| matches!(kind.as_str(), "tmpfs" | "ramfs" | "overlay"))
}

/// The last of the longest mount points that lead to `folder` is the one that counts (proc(5), "mountinfo").
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let parse = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = unescape(left.split(' ').nth(4)?);
        let kind = right.split(' ').next()?.to_owned();
        folder.starts_with(&point).then_some((point.len(), kind))
    };
    mounts.lines().filter_map(parse).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_decides() {
        let mounts = "22 1 0:20 / / rw - overlay overlay rw\n\
                      23 22 8:1 / /data rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      24 22 0:21 / /data/with\\040blank rw - tmpfs tmpfs rw\n";
        for (folder, kind) in [
            ("/srv", "overlay"),             // only the root leads there
            ("/data/postern", "ext4"),       // a volume in the container
            ("/database", "overlay"),        // begins alike, lies elsewhere
            ("/data/with blank/x", "tmpfs"), // an escaped name
        ] {
            assert_eq!(file_system(mounts, Path::new(folder)).as_deref(), Some(kind), "{folder}");
        }
    }
}
