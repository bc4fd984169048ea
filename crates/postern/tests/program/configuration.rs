//! `postern config`, and how wrong calls end.

use crate::support::Place;

#[test]
fn a_sound_configuration_is_called_sound() {
    let place = Place::new();
    assert!(place.run(&["config", "check"]).ok().stdout.contains("the defaults: sound"));
    place.write("postern.toml", "[limits]\nmax_recipients = 7\n");
    assert!(place.run(&["config", "check"]).ok().stdout.contains("postern.toml: sound"));
    assert_eq!(place.run(&["config", "show", "--json"]).ok().json()["limits"]["max_recipients"], 7);
    assert!(place.run(&["config", "show"]).ok().stdout.contains("max_recipients = 7"));
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_one_that_was_meant() {
    let place = Place::new();
    let file = place.write("other.toml", "[limits]\nmax_recipient = 7\n");
    let ended = place.run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.status, 1);
    for words in ["limits.max_recipient", "other.toml", "Did you mean 'max_recipients'?"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let json = place.run(&["config", "check", "--json", "--config", file.to_str().unwrap()]);
    assert_eq!((json.status, json.json()["ok"].as_bool()), (1, Some(false)));
}

#[test]
fn passwords_of_the_configuration_are_not_shown() {
    let place = Place::new();
    place.write("postern.toml", "[proxy]\nurl = 'http://user:hunter2@proxy.test:3128'\n");
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let shown = place.run(arguments).ok().stdout;
        assert!(shown.contains("proxy.test") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn every_way_to_be_wrong_has_its_status() {
    let place = Place::new();
    place.write("relay.toml", "[[smtp]]\nauth = 'off'\nallow = ['0.0.0.0/0']\n");
    for (arguments, status, words) in [
        (&["frobnicate"][..], 2, "unrecognized subcommand"),
        (&["queue", "show", "not-an-id"], 2, "26 letters"),
        (&["queue", "list", "--state", "lost"], 2, "not a state"),
        (&["queue", "retry"], 2, "which messages?"),
        (&["doctor", "--send-to", "nobody"], 2, "nobody"),
        (&["apply", "missing.toml"], 1, "missing.toml"),
        (&["config", "check", "--config", "missing.toml"], 1, "missing.toml"),
        (&["connection", "show", "Nope"], 1, "no connection called 'Nope'"),
        (&["queue", "show", "01JDABCDEFGHJKMNPQRSTVWXYZ"], 1, "does not exist"),
        (&["serve", "--config", "relay.toml"], 1, "open relay"),
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.status, status, "{arguments:?} {ended:?}");
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{arguments:?} {ended:?}");
    }
}

#[test]
fn help_teaches_and_ends_well() {
    let place = Place::new();
    for arguments in
        [&["--help"][..], &["queue", "--help"], &["apply", "--help"], &["send", "--help"], &["doctor", "--help"]]
    {
        let help = place.run(arguments).ok().stdout;
        assert!(help.contains("Examples:"), "{help}");
    }
    assert!(place.run(&["--version"]).ok().stdout.starts_with("postern "));
}
