//! `postern apply`, `postern export` and `postern connection`.

use crate::support::{Place, sandbox_setup};

const BASE: &str = "http://127.0.0.1:9000";

#[test]
fn applying_is_idempotent_and_shows_what_it_does() {
    let place = Place::new();
    let first = place.apply(&sandbox_setup(BASE)).ok().stdout;
    for words in ["+ tenant \"Contoso\"", "+ connection \"Contoso Graph\"", "~ emails", "+ account \"erp\"", "applied"]
    {
        assert!(first.contains(words), "{words}: {first}");
    }
    assert_eq!(place.apply(&sandbox_setup(BASE)).ok().stdout, "nothing to change\n");
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    place.write("setup.toml", &sandbox_setup(BASE));
    let planned = place.run(&["apply", "setup.toml", "--dry-run"]).ok().stdout;
    assert!(planned.contains("+ tenant") && planned.contains("nothing was changed"), "{planned}");
    let json = place.run(&["apply", "setup.toml", "--dry-run", "--json"]).ok().json();
    assert_eq!((json["changed"].as_bool(), json["diff"].as_array().unwrap().len()), (Some(false), 4));
    assert!(place.run(&["connection", "list"]).ok().stdout.contains("no connections yet"));
}

#[test]
fn an_export_is_a_setup_file() {
    let place = Place::new();
    place.apply(&sandbox_setup(BASE)).ok();
    place.run(&["export", "--out", "exported.toml"]).ok();
    assert_eq!(place.run(&["apply", "exported.toml"]).ok().stdout, "nothing to change\n");
    let text = place.run(&["export"]).ok().stdout;
    assert!(text.contains("# client_secret = { env = \"CONTOSO_CLIENT_SECRET\" }"), "{text}");
    for secret in ["sandbox-secret", "erp-password", "erp-token"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn secrets_come_from_the_environment_or_from_a_file_beside_the_setup() {
    let place = Place::new();
    place.write("secret.txt", "from-a-file\n");
    let setup = sandbox_setup(BASE).replace("\"sandbox-secret\"", "{ file = \"secret.txt\" }");
    place.apply(&setup).ok();
    let missing = sandbox_setup(BASE).replace("\"erp-token\"", "{ env = \"NOT_SET_ANYWHERE\" }");
    let ended = place.apply(&missing);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("NOT_SET_ANYWHERE") && ended.stderr.contains("account 'erp'"), "{}", ended.stderr);
}

#[test]
fn a_mistake_names_its_line_and_changes_nothing() {
    let place = Place::new();
    let ended = place.apply(&format!("{}\n[emails2]\n", sandbox_setup(BASE)));
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("setup.toml, line") && ended.stderr.contains("emails2"), "{}", ended.stderr);
    assert!(place.run(&["connection", "list", "--json"]).ok().json().as_array().unwrap().is_empty());
}

#[test]
fn connections_are_shown_without_their_secrets() {
    let place = Place::new();
    place.apply(&sandbox_setup(BASE)).ok();
    let list = place.run(&["connection", "list", "--json"]).ok();
    assert_eq!(list.json()[0]["used_by"][0], "emails");
    let shown = place.run(&["connection", "show", "Contoso Graph"]).ok().stdout;
    assert!(shown.contains("client secret") && !shown.contains("sandbox-secret"), "{shown}");
}

#[test]
fn root_makes_no_database_in_a_folder_of_the_servers_user() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can be anybody else
    }
    let place = Place::new();
    std::fs::create_dir(place.path().join("data")).unwrap();
    std::os::unix::fs::chown(place.path().join("data"), Some(4711), Some(4711)).unwrap();
    let ended = place.apply(&sandbox_setup(BASE));
    assert!(ended.status == 1 && ended.stderr.contains("sudo -u"), "{ended:?}");
    assert_eq!(std::fs::read_dir(place.path().join("data")).unwrap().count(), 0, "nothing was made");
}
