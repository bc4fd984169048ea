//! A client assertion that other software keeps fresh in a file: the token of a workload identity, or one that a key vault
//! signed.
//!
//! Promise: read anew each time, 64 KiB at most; a file that cannot be an assertion any more is refused here, with the
//! reason, and not shown to Entra. Whether the assertion is the right one is for Entra to say.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::Claims;

/// Such tokens are one or two kilobytes; more is another file.
const MAX_BYTES: u64 = 64 * 1024;

/// Why the file is of no use now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionFileProblem {
    #[error("there is no such file")]
    Missing,
    #[error("it is not a plain file")]
    NotAFile,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is larger than 64 KiB, so it is no token")]
    TooLarge,
    #[error("it is empty")]
    Empty,
    #[error("it holds no token: a signed token (JWT) has three parts, separated by dots")]
    NotAToken,
    #[error("the token in it expired at {0}: whatever writes the file does not keep it fresh")]
    Expired(Timestamp),
}

/// The assertion as it is in the file now.
pub(crate) async fn read(path: PathBuf, now: Timestamp) -> Result<SecretString, AssertionFileProblem> {
    // A file of a mounted volume may be slow to come.
    let read = tokio::task::spawn_blocking(move || read_now(&path)).await;
    let text = read.map_err(|error| AssertionFileProblem::Unreadable(error.to_string()))??;
    check(text.expose_secret(), now)?;
    Ok(text)
}

fn read_now(path: &Path) -> Result<SecretString, AssertionFileProblem> {
    let about = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => AssertionFileProblem::Missing,
        _ => AssertionFileProblem::Unreadable(error.to_string()),
    };
    // Before it is opened: opening a named pipe would wait for somebody to write into it.
    if !std::fs::metadata(path).map_err(about)?.is_file() {
        return Err(AssertionFileProblem::NotAFile);
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .map_err(about)?
        .take(MAX_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(about)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(AssertionFileProblem::TooLarge);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| AssertionFileProblem::NotAToken)?.trim();
    if text.is_empty() { Err(AssertionFileProblem::Empty) } else { Ok(SecretString::from(text)) }
}

fn check(token: &str, now: Timestamp) -> Result<(), AssertionFileProblem> {
    let claims = Claims::decode(token).map_err(|_| AssertionFileProblem::NotAToken)?;
    let ends = claims.exp.and_then(|exp| Timestamp::from_second(exp).ok());
    match ends.filter(|ends| *ends <= now) {
        Some(ended) => Err(AssertionFileProblem::Expired(ended)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn token(exp: i64) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#)))
    }

    #[tokio::test]
    async fn the_file_is_trimmed_and_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for written in [token(2000), token(3000)] {
            std::fs::write(&path, format!("\n{written}\r\n")).unwrap();
            let read = read(path.clone(), Timestamp::from_second(1000).unwrap()).await.unwrap();
            assert_eq!(read.expose_secret(), written);
        }
    }

    #[tokio::test]
    async fn a_file_that_can_be_no_assertion_is_refused_with_the_reason() {
        use AssertionFileProblem::{Empty, Expired, NotAFile, NotAToken, TooLarge};
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1000).unwrap();
        let path = folder.path().join("token");
        assert_eq!(read(path.clone(), now).await.unwrap_err(), AssertionFileProblem::Missing);
        assert_eq!(read(folder.path().to_owned(), now).await.unwrap_err(), NotAFile);
        let table = [
            (String::new(), Empty),
            (" \n".to_owned(), Empty),
            ("a client secret".to_owned(), NotAToken),
            ("a.b".to_owned(), NotAToken),
            // To the second: at its `exp` a token is over (RFC 7519 §4.1.4).
            (token(1000), Expired(now)),
            ("x".repeat(64 * 1024 + 1), TooLarge),
        ];
        for (text, expected) in table {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(read(path.clone(), now).await.unwrap_err(), expected, "{text:.40}");
        }
    }
}
