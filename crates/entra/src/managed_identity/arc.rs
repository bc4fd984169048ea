//! Azure Arc's challenge: who can read the file that its agent names is let in.
//!
//! Promise: whatever answers at that port, nothing is read (and shown to it) but a file of at most 4 KiB, with a name that
//! ends in `.key`, directly in the agent's folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use oauth2::http::HeaderMap;
use secrecy::SecretString;

const MAX_KEY_BYTES: u64 = 4096;

/// Why the challenge is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArcProblem {
    #[error("its answer names no file (WWW-Authenticate: Basic realm=FILE)")]
    NoFile,
    #[error("it names a file that is none of the agent's keys; it was not read")]
    ForeignFile,
    #[error("its key file is larger than 4 KiB")]
    TooLarge,
    #[error("its key file cannot be read: {0}")]
    Unreadable(String),
}

pub(super) async fn read_key(headers: &HeaderMap, folder: &Path) -> Result<SecretString, ArcProblem> {
    let path = named_file(headers, folder)?;
    let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
    read.map_err(|error| ArcProblem::Unreadable(error.to_string()))?
}

fn named_file(headers: &HeaderMap, folder: &Path) -> Result<PathBuf, ArcProblem> {
    let challenge = headers.get("www-authenticate").and_then(|value| value.to_str().ok()).ok_or(ArcProblem::NoFile)?;
    let (scheme, file) = challenge.split_once('=').ok_or(ArcProblem::NoFile)?;
    if !scheme.trim().eq_ignore_ascii_case("basic realm") {
        return Err(ArcProblem::NoFile);
    }
    let path = PathBuf::from(file.trim().trim_matches('"'));
    let is_key = path.extension().is_some_and(|extension| extension == "key");
    // Compared as written: a `..` in it makes its folder another one.
    if is_key && path.parent() == Some(folder) { Ok(path) } else { Err(ArcProblem::ForeignFile) }
}

fn read_file(path: &Path) -> Result<SecretString, ArcProblem> {
    let about = |error: std::io::Error| ArcProblem::Unreadable(error.to_string());
    // A link in the agent's folder may lead anywhere.
    if !std::fs::symlink_metadata(path).map_err(about)?.is_file() {
        return Err(ArcProblem::ForeignFile);
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    std::fs::File::open(path).map_err(about)?.take(MAX_KEY_BYTES + 1).read_to_end(&mut bytes).map_err(about)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_KEY_BYTES) {
        return Err(ArcProblem::TooLarge);
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| ArcProblem::Unreadable(error.to_string()))?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn challenge(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("www-authenticate", text.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn only_a_small_key_file_of_the_agents_own_folder_is_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("tokens");
        std::fs::create_dir_all(folder.join("deeper")).unwrap();
        let write = |name: &str, content: &str| std::fs::write(folder.join(name), content).unwrap();
        write("a.key", "the key");
        write("a.txt", "no key");
        write("../outside.key", "somebody's");
        write("deeper/b.key", "somebody's");
        write("large.key", &"x".repeat(4097));
        std::os::unix::fs::symlink(home.path().join("outside.key"), folder.join("link.key")).unwrap();
        let at = |name: &str| format!("Basic realm={}", folder.join(name).display());
        let table = [
            (at("a.key"), Ok("the key")),
            (at("a.txt"), Err(ArcProblem::ForeignFile)),
            (at("../outside.key"), Err(ArcProblem::ForeignFile)),
            (at("deeper/b.key"), Err(ArcProblem::ForeignFile)),
            (at("link.key"), Err(ArcProblem::ForeignFile)),
            (at("large.key"), Err(ArcProblem::TooLarge)),
            ("Basic realm=/etc/shadow".to_owned(), Err(ArcProblem::ForeignFile)),
            ("Bearer".to_owned(), Err(ArcProblem::NoFile)),
            ("Digest realm=a.key".to_owned(), Err(ArcProblem::NoFile)),
        ];
        for (header, expected) in table {
            let read = read_key(&challenge(&header), &folder).await;
            assert_eq!(read.as_ref().map(SecretString::expose_secret), expected.as_ref().copied(), "{header}");
        }
        assert!(matches!(read_key(&challenge(&at("none.key")), &folder).await, Err(ArcProblem::Unreadable(_))));
        assert_eq!(read_key(&HeaderMap::new(), &folder).await.unwrap_err(), ArcProblem::NoFile);
    }
}
