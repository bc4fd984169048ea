//! `postern demo --once`, what a newcomer sees first, and `postern sandbox`.

use std::io::{BufRead, BufReader};

use crate::support::{PROGRAM, Place, command};

#[test]
fn the_demo_ends_well_when_every_message_has_arrived() {
    let place = Place::new();
    let ended = place.run(&["demo", "--once"]).ok();
    for words in ["250 ", "202 Accepted", "status 0", "sandbox tenant", "/mailboxes/anna@contoso.test"] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("  ok  ").count(), 4, "{}", ended.stdout);
    assert!(!ended.stdout.contains("MISSING"), "{}", ended.stdout);
}

#[test]
fn the_sandbox_is_a_server_of_its_own() {
    let place = Place::new();
    place.write("tenant.toml", "[limits]\nmailbox_requests = 7\n");
    let mut command = command(PROGRAM, place.path());
    let mut child = command.args(["sandbox", "--listen", "127.0.0.1:0", "--tls-ca", "ca.pem"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("sandbox tenant at https://localhost:"), "{line}");
    assert!(std::fs::read_to_string(place.path().join("ca.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let wrong = place.run(&["sandbox", "--listen", "127.0.0.1:0", "--config", "tenant.toml"]);
    assert!(wrong.status == 1 && wrong.stderr.contains("mailbox_requests"), "{wrong:?}");
}
