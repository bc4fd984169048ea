//! `postern send` and `postern queue`.

use crate::support::{Place, sandbox_setup};

fn send(place: &Place, subject: &str) -> String {
    let arguments =
        ["send", "--from", "a@contoso.test", "--to", "b@x.test", "--subject", subject, "--text", "hello", "--json"];
    place.run(&arguments).ok().json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_message_goes_through_its_states_as_it_is_told() {
    let place = Place::new();
    let id = send(&place, "one");
    let id = id.as_str();
    for (operation, state) in [("hold", "held"), ("release", "queued"), ("cancel", "cancelled"), ("retry", "queued")] {
        assert_eq!(place.run(&["queue", operation, id]).ok().stdout, format!("{id} {state}\n"));
        assert_eq!(place.run(&["queue", "show", id, "--json"]).ok().json()["status"], state);
    }
    let refused = place.run(&["queue", "release", id]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("it must be held"), "{}", refused.stderr);
    let shown = place.run(&["queue", "show", id]).ok().stdout;
    assert!(shown.contains("by cli") && shown.contains("subject     one"), "{shown}");
    assert_eq!(place.run(&["queue", "delete", id, "--json"]).ok().json()[0]["status"], "deleted");
    assert_eq!(place.run(&["queue", "show", id]).status, 1);
}

#[test]
fn messages_are_found_and_paged() {
    let place = Place::new();
    let ids: Vec<String> = ["first", "second", "third"].iter().map(|subject| send(&place, subject)).collect();
    let page = place.run(&["queue", "list", "--limit", "2", "--json"]).ok().json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = place.run(&["queue", "list", "--before", next, "--json"]).ok().json();
    assert_eq!(rest["messages"][0]["id"], ids[0].as_str());
    for (option, value, found) in [
        ("--query", "second", 1),
        ("--from", "a@contoso", 3),
        ("--to", "b@x.test", 3),
        ("--to", "nobody@x.test", 0),
        ("--state", "queued,held", 3),
        ("--state", "failed", 0),
        ("--since", "1h", 3),
    ] {
        let list = place.run(&["queue", "list", option, value, "--json"]).ok().json();
        assert_eq!(list["messages"].as_array().unwrap().len(), found, "{option} {value}");
    }
    assert!(place.run(&["queue", "list"]).ok().stdout.contains("second"));
}

#[test]
fn many_are_decided_about_at_once_and_never_all_by_accident() {
    let place = Place::new();
    let ids = [send(&place, "one"), send(&place, "two")];
    assert_eq!(place.run(&["queue", "hold", "--state", "queued"]).ok().stdout.lines().count(), 2);
    assert_eq!(place.run(&["queue", "delete"]).status, 2, "nothing named is nothing meant");
    assert_eq!(place.run(&["queue", "delete", &ids[0], "--state", "held"]).status, 2);
    let mixed = place.run(&["queue", "release", &ids[0], "01JDABCDEFGHJKMNPQRSTVWXYZ", &ids[1]]);
    assert_eq!(mixed.status, 1);
    assert_eq!(mixed.stdout.lines().count(), 2, "one that fails does not stop the others");
}

#[test]
fn a_message_is_exported_byte_for_byte_and_many_as_json_lines() {
    let place = Place::new();
    let eml = "From: a@contoso.test\r\nTo: b@x.test\r\nSubject: kept\r\nX-Odd:\tvalue \r\n\r\nbody\r\n.\r\nmore\r\n";
    place.write("in.eml", eml);
    let sent =
        place.run(&["send", "--from", "a@contoso.test", "--to", "b@x.test", "--eml", "in.eml", "--json"]).ok().json();
    let exported = place.run(&["queue", "export", sent["id"].as_str().unwrap()]).ok().stdout;
    assert!(exported.starts_with("Received:") && exported.ends_with(eml), "{exported}");
    send(&place, "another");
    let lines = place.run(&["queue", "export", "--out", "all.jsonl"]).ok();
    assert!(lines.stdout.is_empty());
    let text = std::fs::read_to_string(place.path().join("all.jsonl")).unwrap();
    let subjects: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["subject"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(subjects, ["another", "kept"]);
}

#[test]
fn what_is_sent_from_the_command_line_is_mime() {
    let place = Place::new();
    place.write("report.csv", "a;b\n");
    let arguments = [
        "send",
        "--from",
        "Ängström <a@contoso.test>",
        "--to",
        "b@x.test",
        "--bcc",
        "c@x.test",
        "--subject",
        "Grüße",
        "--header",
        "X-Tag: 7",
        "--attach",
        "report.csv",
        "--json",
    ];
    let id = place.run_with(&arguments, "from a pipe\n".as_bytes()).ok().json()["id"].as_str().unwrap().to_owned();
    let text = place.run(&["queue", "export", &id]).ok().stdout;
    assert!(text.contains("X-Tag: 7") && text.contains("report.csv") && !text.contains("c@x.test"), "{text}");
    let detail = place.run(&["queue", "show", &id, "--json"]).ok().json();
    assert_eq!(detail["envelope"]["to"].as_array().unwrap().len(), 2);
    assert_eq!(detail["subject"], "Grüße");
    let wrong = place.run(&["send", "--from", "nobody", "--to", "b@x.test", "--text", "x"]);
    assert_eq!(wrong.status, 2, "{wrong:?}");
}

#[test]
fn new_settings_give_waiting_messages_a_way() {
    let place = Place::new();
    let id = send(&place, "waits");
    assert!(place.run(&["queue", "show", &id]).ok().stdout.contains("the settings have no way for it"));
    let applied = place.apply(&sandbox_setup("http://127.0.0.1:9000")).ok().stdout;
    assert!(applied.contains("waiting messages that take another way now: 1"), "{applied}");
    assert!(place.run(&["queue", "show", &id]).ok().stdout.contains("noreply@contoso.test through"));
}
