//! Keeps `docs/configuration.md` equal to the comments in `config.rs`.
//!
//! To write the file anew: `POSTERN_WRITE_DOCS=1 cargo nextest run -p postern configuration_reference`.

use std::fmt::Write as _;
use std::path::Path;

use super::Config;

const SOURCE: &str = include_str!("../config.rs");
/// The structs in the order of the file, with the section each describes.
const SECTIONS: [(&str, &str); 8] = [
    ("Config", ""),
    ("Store", "store"),
    ("Http", "http"),
    ("Smtp", "smtp"),
    ("Limits", "limits"),
    ("Retention", "retention"),
    ("Proxy", "proxy"),
    ("Log", "log"),
];

struct Documented {
    about: String,
    /// Name and meaning.
    keys: Vec<(String, String)>,
}

/// Reads one struct's comments: its own and one for each public field.
fn documented(name: &str) -> Documented {
    let start = SOURCE.find(&format!("pub(crate) struct {name} {{")).expect("the struct is in config.rs");
    let before = SOURCE[..start].rsplit("\n\n").next().unwrap_or_default();
    let mut keys = Vec::new();
    let mut comment = Vec::new();
    for line in SOURCE[start..].lines().skip(1).take_while(|line| *line != "}").map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment.push(text);
        } else if let Some(field) = line.strip_prefix("pub ").and_then(|rest| rest.split(':').next()) {
            keys.push((field.to_owned(), comment.join(" ")));
            comment.clear();
        }
    }
    let about = before.lines().filter_map(|line| line.strip_prefix("/// ")).collect::<Vec<_>>().join(" ");
    Documented { about, keys }
}

fn default_of(section: &str, key: &str) -> String {
    let all = serde_json::to_value(Config::default()).unwrap();
    let table = match section {
        "" => all,
        "smtp" => all["smtp"][0].clone(),
        section => all[section].clone(),
    };
    match &table[key] {
        serde_json::Value::Null => "not set".to_owned(),
        value => format!("`{value}`"),
    }
}

fn reference() -> String {
    let mut text = String::from(
        "# Configuration: `postern.toml`\n\n\
         Made from the comments in `crates/postern/src/config.rs`; a test keeps the two equal.\n\n\
         Every key is optional. `POSTERN_SECTION__KEY` in the environment overrides the file\n\
         (`POSTERN_LIMITS__MAX_RECIPIENTS=100`, `POSTERN_DATA_DIR=/srv/mail`), and `--data-dir` overrides both. An unknown\n\
         key is an error. `postern config check` tells what is wrong, `postern config show` what is in force.\n\n\
         The file is the one `--config` or `POSTERN_CONFIG` names, else `./postern.toml`, else\n\
         `/etc/postern/postern.toml`. Started as `sendmail`, the program never looks into the current folder.\n",
    );
    for (name, section) in SECTIONS {
        let documented = documented(name);
        let heading = match section {
            "" => "Outside sections".to_owned(),
            "smtp" => "`[[smtp]]`".to_owned(),
            section => format!("`[{section}]`"),
        };
        let _ = write!(text, "\n## {heading}\n\n{}\n\n| key | default | meaning |\n|---|---|---|\n", documented.about);
        for (key, meaning) in documented.keys {
            if SECTIONS.iter().any(|(_, section)| *section == key && section != &"smtp")
                || (section.is_empty() && key == "smtp")
            {
                continue;
            }
            let _ = writeln!(text, "| `{key}` | {} | {meaning} |", default_of(section, &key));
        }
    }
    text
}

#[test]
fn the_configuration_reference_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("POSTERN_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, reference()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == reference(), "docs/configuration.md is out of date; the module comment says how to write it");
}

#[test]
fn every_key_has_a_meaning_and_a_default_that_exists() {
    let all = serde_json::to_value(Config::default()).unwrap();
    for (name, section) in SECTIONS {
        let table = if section.is_empty() {
            &all
        } else if section == "smtp" {
            &all["smtp"][0]
        } else {
            &all[section]
        };
        let described: Vec<String> = documented(name).keys.into_iter().map(|(key, _)| key).collect();
        for key in table.as_object().unwrap().keys() {
            assert!(described.contains(key), "{section}.{key} is not described");
        }
        for (key, meaning) in documented(name).keys {
            let is_section = SECTIONS.iter().any(|(_, section)| *section == key);
            assert!(is_section || !meaning.is_empty(), "{section}.{key} has no comment");
        }
    }
}
