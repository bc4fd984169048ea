//! Secrets in a setup file: `{ env = "NAME" }`, `{ file = "PATH" }`, or the text itself.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::Refused;

/// Where a secret is found. `Debug` shows the place, never the text.
#[derive(Debug, Clone)]
pub enum SecretValue {
    Env(String),
    File(PathBuf),
    Text(SecretString),
}

impl From<SecretString> for SecretValue {
    fn from(text: SecretString) -> Self {
        Self::Text(text)
    }
}

/// Where secrets that a file names are looked up.
#[derive(Debug, Clone)]
pub struct SecretSource {
    /// `None`: a secret is given as its text, or not at all.
    places: Option<Places>,
}

#[derive(Debug, Clone)]
struct Places {
    base: PathBuf,
    environment: fn(&str) -> Option<String>,
}

/// A PEM bundle is a few KiB; more is another file than was meant.
const MAX_SECRET_BYTES: u64 = 256 * 1024;

impl SecretSource {
    /// The process's environment, and files relative to `base`, the folder of the setup file.
    pub fn new(base: &Path) -> Self {
        Self { places: Some(Places { base: base.to_owned(), environment: |name| std::env::var(name).ok() }) }
    }

    /// No place at all: whoever asks from elsewhere must not read this machine's files and environment.
    pub(crate) fn text_only() -> Self {
        Self { places: None }
    }

    /// Whoever asks may name files of this machine.
    pub(crate) fn reads_this_machine(&self) -> bool {
        self.places.is_some()
    }

    /// The secret itself; `owner` says whose it is, as in `client_secret of tenant 'Contoso'`.
    pub(crate) fn read(&self, value: &SecretValue, owner: &str) -> Result<SecretString, Refused> {
        let (text, place) = match (value, &self.places) {
            (SecretValue::Text(text), _) => (text.clone(), "what was given"),
            (_, None) => {
                return Err(Refused::new(
                    format!("the {owner} is not given as text"),
                    "Places on the gateway's machine can be named in a setup file only.",
                ));
            }
            (SecretValue::Env(name), Some(places)) => {
                let missing = || {
                    Refused::new(
                        format!("the environment variable {name}, for the {owner}, is not set"),
                        format!("Set it and run the command again, as in: {name}=... postern apply FILE"),
                    )
                };
                (SecretString::from((places.environment)(name).ok_or_else(missing)?), "that variable")
            }
            (SecretValue::File(path), Some(places)) => (read_file(&places.base.join(path), owner)?, "that file"),
        };
        if secrecy::ExposeSecret::expose_secret(&text).is_empty() {
            return Err(Refused::new(
                format!("the {owner} is empty in {place}"),
                "Put the secret there and run it again.",
            ));
        }
        Ok(text)
    }
}

/// Editors end a file with a line break that is no part of the secret.
fn read_file(path: &Path, owner: &str) -> Result<SecretString, Refused> {
    let unreadable = |error: &dyn fmt::Display| {
        Refused::new(
            format!("the file {}, for the {owner}, cannot be read: {error}", path.display()),
            "Name a file that this user can read; a relative path begins at the folder of the setup file.",
        )
    };
    let length = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if length > MAX_SECRET_BYTES {
        return Err(unreadable(&format!("it has {length} bytes, which is no secret")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" }, { file = \"PATH\" } or a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretValue, E> {
        Ok(SecretValue::Text(SecretString::from(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretValue, A::Error> {
        let mut value = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "env" => SecretValue::Env(map.next_value()?),
                "file" => SecretValue::File(map.next_value()?),
                other => return Err(A::Error::unknown_field(other, &["env", "file"])),
            };
            if value.replace(found).is_some() {
                return Err(A::Error::custom("a secret is found in one of env and file, not in both"));
            }
        }
        value.ok_or_else(|| A::Error::custom("a secret needs env or file"))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn source(base: &Path) -> SecretSource {
        let environment = |name: &str| (name == "THERE").then(|| "from env".to_owned());
        SecretSource { places: Some(Places { base: base.to_owned(), environment }) }
    }

    #[test]
    fn a_secret_is_found_where_it_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "from file\r\n").unwrap();
        for (value, text) in [
            (SecretValue::Text("as is ".into()), "as is "), // a blank may be part of a password
            (SecretValue::Env("THERE".into()), "from env"),
            (SecretValue::File("secret".into()), "from file"), // relative to the setup file, without its line break
        ] {
            assert_eq!(source(folder.path()).read(&value, "x").unwrap().expose_secret(), text);
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        for (value, words) in [
            (SecretValue::Env("ABSENT".into()), "ABSENT"),
            (SecretValue::File("absent".into()), "absent"),
            (SecretValue::File("empty".into()), "is empty"), // an empty secret would lock everybody out, or let everybody in
            (SecretValue::Text("".into()), "empty"),
        ] {
            let refused = source(folder.path()).read(&value, "password of account 'erp'").unwrap_err();
            assert!(refused.what.contains(words) && refused.what.contains("account 'erp'"), "{}", refused.what);
        }
    }

    #[test]
    fn who_asks_from_elsewhere_reads_nothing_of_this_machine() {
        for value in [SecretValue::Env("PATH".into()), SecretValue::File("/etc/hostname".into())] {
            let refused = SecretSource::text_only().read(&value, "password of account 'erp'").unwrap_err();
            assert!(refused.what.contains("not given as text"), "{}", refused.what);
        }
    }

    #[test]
    fn the_text_of_a_secret_is_not_shown() {
        assert!(!format!("{:?}", SecretValue::Text("hunter2".into())).contains("hunter2"));
    }
}
