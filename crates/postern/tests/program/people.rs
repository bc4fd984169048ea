//! `postern user` and `postern token`.

use crate::support::Place;

const PASSWORD: &[u8] = b"zebra lamp quiet\n";

fn add_administrator(place: &Place) {
    place.run_with(&["user", "add", "anna", "--role", "administrator", "--password-stdin"], PASSWORD).ok();
}

#[test]
fn users_are_added_listed_disabled_and_get_new_passwords() {
    let place = Place::new();
    assert!(place.run(&["user", "list"]).ok().stdout.contains("no users yet"));
    add_administrator(&place);
    let added = place.run(&["user", "add", "bert", "--generate-password", "--json"]).ok().json();
    assert_eq!(added["user"]["role"], "viewer");
    assert_eq!(added["generated_password"].as_str().unwrap().len(), 24);
    let users = place.run(&["user", "list", "--json"]).ok().json();
    assert_eq!(
        users.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["anna", "bert"]
    );
    place.run(&["user", "set-role", "BERT", "operator"]).ok();
    place.run(&["user", "disable", "bert"]).ok();
    let list = place.run(&["user", "list"]).ok().stdout;
    assert!(list.contains("operator") && list.contains("disabled") && !list.contains("argon2"), "{list}");
    place.run(&["user", "enable", "bert"]).ok();
    let reset = place.run(&["user", "reset-password", "bert", "--generate-password"]).ok().stdout;
    assert!(reset.contains("shown this once"), "{reset}");
    place.run(&["user", "remove", "bert"]).ok();
    assert_eq!(place.run(&["user", "disable", "bert"]).status, 1);
}

#[test]
fn the_last_administrator_stays() {
    let place = Place::new();
    add_administrator(&place);
    for arguments in [["user", "disable", "anna"], ["user", "remove", "anna"]] {
        let refused = place.run(&arguments);
        assert_eq!(refused.status, 1);
        assert!(refused.stderr.contains("last administrator"), "{}", refused.stderr);
    }
}

#[test]
fn a_password_is_never_an_argument_and_must_be_a_good_one() {
    let place = Place::new();
    assert_eq!(place.run(&["user", "add", "anna", "--password", "zebra lamp quiet"]).status, 2);
    let common = place.run_with(&["user", "add", "anna", "--password-stdin"], b"password1234\n");
    assert_eq!(common.status, 1);
    assert!(common.stderr.contains("guessed") && !common.stderr.contains("password1234"), "{}", common.stderr);
    assert_eq!(place.run_with(&["user", "add", "anna", "--password-stdin"], b"short\n").status, 1);
}

#[test]
fn a_token_is_shown_once() {
    let place = Place::new();
    let created = place.run(&["token", "create", "monitoring", "--expires-in-days", "30", "--json"]).ok().json();
    let token = created["token"].as_str().unwrap();
    assert!(token.starts_with("postern_"), "{token}");
    let list = place.run(&["token", "list", "--json"]).ok();
    assert_eq!(list.json()[0]["name"], "monitoring");
    assert!(!list.stdout.contains(token));
    assert_eq!(place.run(&["token", "create", "Monitoring"]).status, 1, "names are unique");
    assert_eq!(place.run(&["token", "create", "x", "--expires-in-days", "0"]).status, 2);
    assert!(place.run(&["token", "revoke", "monitoring"]).ok().stdout.contains("revoked"));
    assert!(place.run(&["token", "list"]).ok().stdout.contains("no tokens yet"));
    assert_eq!(place.run(&["token", "revoke", "monitoring"]).status, 1);
}
