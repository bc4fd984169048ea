//! Finding and reading the configuration: file, then environment, then command line.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};

use super::Config;

/// Variables of the command line's own and of its clients, which are not configuration keys.
const NOT_KEYS: [&str; 4] = ["CONFIG", "URL", "TOKEN", "MAILBOX"];
/// Looked for when nobody names a file, in this order.
const NEARBY_FILE: &str = "postern.toml";
const SYSTEM_FILE: &str = "/etc/postern/postern.toml";

/// Which file to read when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `./postern.toml`, else `/etc/postern/postern.toml`, else the defaults.
    Nearby,
    /// Without `./postern.toml`: mailers start `sendmail` in folders that belong to anybody.
    SystemOnly,
}

/// A configuration with where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub config: Config,
    /// `None`: no file, the defaults and the environment.
    pub file: Option<PathBuf>,
    /// The data folder was named on the command line or by its variable, not left to a file or the default.
    pub names_data_dir: bool,
}

/// What is wrong, where, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    pub what: String,
    pub fix: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, self.fix)
    }
}

/// Reads the configuration; `file` and `data_dir` are what the command line said.
pub(crate) fn load(file: Option<&Path>, data_dir: Option<&Path>, source: Source) -> Result<Loaded, ConfigError> {
    let file = match file {
        Some(file) if !file.is_file() => {
            return Err(ConfigError {
                what: format!("the configuration file {} does not exist", file.display()),
                fix: "Give another one with --config FILE, or leave --config out to run with the defaults.".to_owned(),
            });
        }
        Some(file) => Some(file.to_owned()),
        None => default_file(source),
    };
    check_single_word_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &file {
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(environment());
    if let Some(data_dir) = data_dir {
        figment = figment.merge(Serialized::default("data_dir", data_dir));
    }
    let config = figment.extract().map_err(|error| explain(&error, file.as_deref()))?;
    Ok(Loaded { config, file, names_data_dir: data_dir.is_some() })
}

fn default_file(source: Source) -> Option<PathBuf> {
    let candidates: &[&str] = match source {
        Source::Nearby => &[NEARBY_FILE, SYSTEM_FILE],
        Source::SystemOnly => &[SYSTEM_FILE],
    };
    candidates.iter().map(PathBuf::from).find(|file| file.is_file())
}

/// `POSTERN_SECTION__KEY`, and `POSTERN_KEY` for the keys outside sections.
fn environment() -> Env {
    Env::prefixed("POSTERN_")
        .filter(|name| {
            let name = name.as_str();
            name.contains("__") || top_level_keys().iter().any(|key| name.eq_ignore_ascii_case(key))
        })
        .split("__")
}

/// A one-word variable that is nearly a key is a slip and an error. Others pass: Kubernetes puts `POSTERN_PORT` and
/// `POSTERN_SERVICE_HOST` into every pod next to a service of that name.
fn check_single_word_variables(names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    for name in names {
        let Some(word) = name.strip_prefix("POSTERN_").filter(|word| !word.contains("__")) else { continue };
        let key = word.to_ascii_lowercase();
        let known = top_level_keys();
        if NOT_KEYS.contains(&word) || known.contains(&key) {
            continue;
        }
        if let Some(near) = known.iter().find(|known| strsim::damerau_levenshtein(known, &key) <= 2) {
            return Err(ConfigError {
                what: format!("the environment variable {name} is not a configuration key"),
                fix: format!("Did you mean POSTERN_{}?", near.to_ascii_uppercase()),
            });
        }
    }
    Ok(())
}

fn top_level_keys() -> Vec<String> {
    match serde_json::to_value(Config::default()) {
        Ok(serde_json::Value::Object(keys)) => keys.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

fn explain(error: &figment::Error, file: Option<&Path>) -> ConfigError {
    let place = place_of(error, file);
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(field, expected) => {
            // The path ends in the unknown field for some providers and before it for others.
            let section: Vec<&str> = error.path.iter().map(String::as_str).filter(|part| part != field).collect();
            let key = section.iter().copied().chain([field.as_str()]).collect::<Vec<_>>().join(".");
            ConfigError { what: format!("unknown key '{key}' in {place}"), fix: suggest(field, expected) }
        }
        Kind::Message(text) if path.is_empty() => ConfigError {
            what: format!("{place} cannot be read: {}", text.trim()),
            fix: "Correct the line it names.".to_owned(),
        },
        kind => ConfigError {
            what: format!("the value of '{path}' in {place} does not fit: {kind}"),
            fix: "docs/configuration.md describes every key; 'postern config show' prints what is in force.".to_owned(),
        },
    }
}

/// Where the value came from. Environment variables name themselves; everything else is the file.
fn place_of(error: &figment::Error, file: Option<&Path>) -> String {
    let from_environment = error.metadata.as_ref().is_some_and(|metadata| metadata.name.contains("environment"));
    match file {
        _ if from_environment => {
            let variable = error.path.iter().map(|part| part.to_ascii_uppercase()).collect::<Vec<_>>().join("__");
            format!("the environment (POSTERN_{variable})")
        }
        Some(file) => file.display().to_string(),
        None => "the configuration".to_owned(),
    }
}

fn suggest(field: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|known| (strsim::jaro_winkler(known, field), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    match nearest {
        Some((_, known)) => format!("Did you mean '{known}'? Known here: {}.", expected.join(", ")),
        None => format!("Known here: {}.", expected.join(", ")),
    }
}

#[cfg(test)]
#[expect(clippy::result_large_err, reason = "figment's Jail asks for its own error type")]
mod tests {
    use figment::Jail;

    use super::*;
    use crate::config::Period;

    fn load_text(jail: &mut Jail, text: &str) -> Result<Config, ConfigError> {
        jail.create_file("postern.toml", text).unwrap();
        load(None, None, Source::Nearby).map(|loaded| loaded.config)
    }

    #[test]
    fn nothing_at_all_gives_the_defaults() {
        Jail::expect_with(|_| {
            let loaded = load(None, None, Source::Nearby).unwrap();
            assert_eq!(loaded.config, Config::default());
            Ok(())
        });
    }

    #[test]
    fn file_environment_and_command_line_override_in_that_order() {
        Jail::expect_with(|jail| {
            jail.create_file("postern.toml", "data_dir = 'a'\n[log]\nlevel = 'warn'\n[limits]\nmax_recipients = 7\n")?;
            jail.set_env("POSTERN_DATA_DIR", "b");
            jail.set_env("POSTERN_LOG__LEVEL", "debug");
            jail.set_env("POSTERN_LIMITS__QUEUE_LIFETIME", "12h");
            let config = load(None, Some(Path::new("c")), Source::Nearby).unwrap().config;
            assert_eq!(config.data_dir, Path::new("c"));
            assert_eq!(config.log.level, "debug");
            assert_eq!(config.limits.max_recipients, 7);
            assert_eq!(config.limits.queue_lifetime, Period::hours(12));
            Ok(())
        });
    }

    #[test]
    fn an_unknown_key_names_itself_its_file_and_the_nearest_known_key() {
        Jail::expect_with(|jail| {
            for (text, key, near) in [
                ("dta_dir = 'x'", "'dta_dir'", "'data_dir'"),
                ("[limits]\nmax_recipient = 1", "'limits.max_recipient'", "'max_recipients'"),
                ("[[smtp]]\nlisten = '127.0.0.1:25'\nauht = 'off'", "auht'", "'auth'"), // inside a list
                ("[lmits]\nmax_recipients = 1", "'lmits'", "'limits'"),                 // a section
            ] {
                let error = load_text(jail, text).unwrap_err();
                assert!(error.what.contains(key) && error.what.contains("postern.toml"), "{error}");
                assert!(error.fix.contains(near), "{error}");
            }
            Ok(())
        });
    }

    #[test]
    fn an_unknown_variable_is_an_error_and_foreign_ones_are_not() {
        Jail::expect_with(|jail| {
            jail.set_env("POSTERN_PORT", "tcp://10.0.0.1:25"); // Kubernetes
            jail.set_env("POSTERN_URL", "https://relay.example");
            assert!(load(None, None, Source::Nearby).is_ok());
            jail.set_env("POSTERN_LOG__LEVLE", "debug");
            let error = load(None, None, Source::Nearby).unwrap_err();
            assert!(error.what.contains("POSTERN_LOG__LEVLE") || error.what.contains("log.levle"), "{error}");
            assert!(error.fix.contains("level"), "{error}");
            Ok(())
        });
        Jail::expect_with(|jail| {
            jail.set_env("POSTERN_DATADIR", "x");
            assert!(load(None, None, Source::Nearby).unwrap_err().fix.contains("POSTERN_DATA_DIR"));
            Ok(())
        });
    }

    #[test]
    fn a_wrong_value_names_its_key_and_a_broken_file_its_line() {
        Jail::expect_with(|jail| {
            let error = load_text(jail, "[limits]\nqueue_lifetime = '2 weeks'").unwrap_err();
            assert!(error.what.contains("limits.queue_lifetime") && error.what.contains("2 weeks"), "{error}");
            let error = load_text(jail, "[limits\n").unwrap_err();
            assert!(error.what.contains("postern.toml") && error.what.contains('1'), "{error}");
            Ok(())
        });
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let error = load(Some(Path::new("/nowhere/postern.toml")), None, Source::Nearby).unwrap_err();
        assert!(error.what.contains("/nowhere/postern.toml"));
    }
}
