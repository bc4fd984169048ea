//! `postern sendmail` as mailers call it, into a data folder of its own.

use serde_json::Value;

use crate::support::{Ended, PROGRAM, Place, Server, command, finish, sandbox_setup};

/// The same program under the name a mailer knows.
fn sendmail(place: &Place, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Ended {
    let link = place.path().join("sendmail");
    if !link.exists() {
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    }
    let mut command = command(&link, place.path());
    command.args(arguments).env("POSTERN_DATA_DIR", place.path().join("data")).env("POSTERN_HOSTNAME", "host.test");
    command.envs(environment.iter().copied());
    finish(command, input.as_bytes())
}

fn recipients(message: &Value) -> String {
    let list = message["envelope"]["to"].as_array().unwrap();
    list.iter().map(|recipient| recipient.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_mailers_call_puts_the_message_into_the_queue() {
    let text = "From: Me <me@x.test>\nTo: a@x.test\nBcc: b@x.test\nSubject: s\n\nhello\n";
    for (mailer, arguments, sender, to) in [
        ("PHP", &["-t", "-i"][..], None, "a@x.test b@x.test"),
        ("PHP with a sender", &["-t", "-i", "-fwww@x.test"], Some("www@x.test"), "a@x.test b@x.test"),
        ("git", &["-i", "-f", "git@x.test", "c@x.test"], Some("git@x.test"), "c@x.test"),
        (
            "mutt",
            &["-oem", "-oi", "-f", "me@x.test", "--", "c@x.test", "d@x.test"],
            Some("me@x.test"),
            "c@x.test d@x.test",
        ),
        ("s-nail", &["-i", "-r", "me@x.test", "--", "c@x.test"], Some("me@x.test"), "c@x.test"),
        ("cron", &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"], None, "root@host.test"),
        ("MIME::Lite", &["-t", "-oi", "-oem"], None, "a@x.test b@x.test"),
        ("Rails", &["-i", "-f", "app@x.test", "--", "c@x.test"], Some("app@x.test"), "c@x.test"),
        ("a bounce", &["-i", "-f", "<>", "c@x.test"], Some("<>"), "c@x.test"),
    ] {
        let place = Place::new();
        let ended = sendmail(&place, arguments, text, &[]);
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{mailer}: {ended:?}");
        let messages = place.messages();
        assert_eq!(messages.len(), 1, "{mailer}");
        assert_eq!(recipients(&messages[0]), to, "{mailer}");
        let reverse_path = &messages[0]["envelope"]["from"];
        match sender {
            Some("<>") => assert!(reverse_path.is_null(), "{mailer}"),
            Some(sender) => assert_eq!(reverse_path, sender, "{mailer}"),
            None => assert!(reverse_path.as_str().unwrap().ends_with("@host.test"), "{mailer}"),
        }
        let body = place.run(&["queue", "export", messages[0]["id"].as_str().unwrap()]).ok().stdout;
        assert!(
            body.ends_with("From: Me <me@x.test>\r\nTo: a@x.test\r\nSubject: s\r\n\r\nhello\r\n"),
            "{mailer}: {body}"
        );
    }
}

#[test]
fn what_cron_pipes_in_gets_a_header() {
    let place = Place::new();
    let ended = sendmail(
        &place,
        &["-i", "-F", "Cron Daemon", "-f", "root@x.test", "ops@x.test"],
        "Subject: job\n\n.\nout\n",
        &[],
    );
    assert_eq!(ended.status, 0, "{ended:?}");
    let id = place.messages()[0]["id"].as_str().unwrap().to_owned();
    let body = place.run(&["queue", "export", &id]).ok().stdout;
    assert!(body.ends_with("From: Cron Daemon <root@x.test>\r\nSubject: job\r\n\r\n.\r\nout\r\n"), "{body}");
    assert!(body.contains("Message-ID:") && body.contains("Date:"), "{body}");
}

#[test]
fn a_lone_dot_ends_the_message_without_i() {
    let place = Place::new();
    sendmail(&place, &["-f", "m@x.test", "a@x.test"], "Subject: s\n\nkept\n.\nlost\n", &[]).ok();
    let id = place.messages()[0]["id"].as_str().unwrap().to_owned();
    let body = place.run(&["queue", "export", &id]).ok().stdout;
    assert!(body.ends_with("kept\r\n"), "{body}");
}

#[test]
fn a_large_message_streams_through() {
    let place = Place::new();
    let text = format!(
        "From: m@x.test\nSubject: big\n\n{}",
        "0123456789abcdef0123456789abcdef0123456789abcdef\n".repeat(100_000)
    );
    sendmail(&place, &["-i", "a@x.test"], &text, &[]).ok();
    let message = &place.messages()[0];
    assert_eq!(message["size_bytes"].as_u64().unwrap(), u64::try_from(text.len() + 100_003).unwrap());
}

#[test]
fn every_failure_has_the_status_that_mailers_know_and_queues_nothing() {
    let mail = "From: m@x.test\nTo: a@x.test\n\nhi\n";
    for (arguments, input, environment, status) in [
        (&["-Z"][..], mail, &[][..], 64),
        (&[][..], mail, &[], 64), // nobody to send to
        (&["-bd"], mail, &[], 64),
        (&["-t"], "Subject: s\n\n", &[], 64),
        (&["a@b@-c"], mail, &[], 67),
        (&["a@x.test"], mail, &[("POSTERN_LIMITS__MAX_MESSAGE_BYTES", "10")], 65), // too large
        (&["a@x.test"], mail, &[("POSTERN_LOG__LEVLE", "info")], 78),
        (&["-C", "missing.toml", "a@x.test"], mail, &[], 78),
        (&["a@x.test"], mail, &[("POSTERN_DATA_DIR", "/dev/null/data")], 75), // no place to queue it
    ] {
        let place = Place::new();
        let ended = sendmail(&place, arguments, input, environment);
        assert_eq!(ended.status, status, "{arguments:?} {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 2, "what failed, and what to do: {ended:?}");
        assert_eq!(place.messages().len(), 0, "{arguments:?}");
    }
}

#[test]
fn a_queue_that_nobody_serves_is_not_made_by_accident() {
    let place = Place::new();
    let mut bare = command(PROGRAM, place.path());
    bare.args(["sendmail", "a@x.test"]);
    let ended = finish(bare, b"From: m@x.test\n\nhi\n");
    assert_eq!(ended.status, 75, "{ended:?}");
    assert!(ended.stderr.contains("holds no queue") && ended.stderr.contains("--data-dir"), "{ended:?}");
    assert!(!place.path().join("data").exists());
    place.apply(&sandbox_setup("http://127.0.0.1:9")).ok(); // now there is one in ./data
    let mut bare = command(PROGRAM, place.path());
    bare.args(["sendmail", "a@x.test"]);
    assert_eq!(finish(bare, b"From: m@x.test\n\nhi\n").status, 0);
}

#[test]
fn mail_of_root_belongs_to_the_servers_user() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !rustix::process::geteuid().is_root() {
        return; // only root can be anybody else
    }
    let place = Place::new();
    place.apply(&sandbox_setup("http://127.0.0.1:9")).ok();
    let (data, owner) = (place.path().join("data"), 4711);
    // The test's own folder must let the other user through.
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        chown(&folder, Some(owner), Some(owner)).unwrap();
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { chown(path, Some(owner), Some(owner)).unwrap() }
        }
    }
    let large = format!("From: m@x.test\n\n{}", "a line of a large message\n".repeat(10_000));
    sendmail(&place, &["-i", "a@x.test"], &large, &[]).ok();
    let mut folders = vec![data.join("spool")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = path.metadata().unwrap();
            assert_eq!(metadata.uid(), owner, "{}", path.display());
            if metadata.is_dir() { folders.push(path) } else { files += 1 }
        }
    }
    assert_eq!(files, 1, "the body was spooled");
}

#[test]
fn the_queue_is_listed_and_push_is_accepted() {
    let place = Place::new();
    assert_eq!(sendmail(&place, &["-bp"], "", &[]).ok().stdout, "Mail queue is empty\n");
    sendmail(&place, &["-f", "m@x.test", "a@x.test"], "Subject: waiting\n\n", &[]).ok();
    assert!(sendmail(&place, &["-bp"], "", &[]).ok().stdout.contains("waiting"));
    for arguments in [&["-q"][..], &["-q15m"], &["-bi"]] {
        sendmail(&place, arguments, "", &[]).ok();
    }
    assert!(sendmail(&place, &["--help"], "", &[]).ok().stdout.contains("-t"));
}

#[test]
fn bs_speaks_smtp_on_standard_input_and_output() {
    let place = Place::new();
    let dialog =
        "EHLO me\r\nMAIL FROM:<m@x.test>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nSubject: piped\r\n\r\nhi\r\n.\r\nQUIT\r\n";
    let ended = sendmail(&place, &["-bs"], dialog, &[]).ok();
    assert!(
        ended.stdout.starts_with("220 host.test") && ended.stdout.contains("250 2.0.0 Queued as"),
        "{}",
        ended.stdout
    );
    assert_eq!(place.messages()[0]["subject"], "piped");
}

#[test]
fn bs_understands_lines_as_files_have_them() {
    let place = Place::new();
    let dialog = "EHLO me\nMAIL FROM:<m@x.test>\nRCPT TO:<a@x.test>\nDATA\nSubject: lf\n\nhi\n.\nQUIT\n";
    sendmail(&place, &["-bs"], dialog, &[]).ok();
    assert_eq!(place.messages()[0]["subject"], "lf");
}

#[test]
fn bs_succeeds_only_if_no_message_was_left_half_said() {
    let place = Place::new();
    let begun = "EHLO me\r\nMAIL FROM:<m@x.test>\r\nRCPT TO:<a@x.test>\r\n";
    for (dialog, status) in [
        (begun.to_owned(), 75),                                // before DATA
        (format!("{begun}DATA\r\nSubject: cut\r\n\r\nh"), 75), // inside the content
        (format!("{begun}QUIT\r\n"), 0),                       // given up on purpose
        ("EHLO me\r\n".to_owned(), 0),                         // nothing was begun
    ] {
        assert_eq!(sendmail(&place, &["-bs"], &dialog, &[]).status, status, "{dialog:?}");
    }
    assert!(place.messages().is_empty());
}

#[test]
fn a_closed_data_folder_is_got_round_over_http() {
    let place = Place::new();
    place.apply(&sandbox_setup("http://127.0.0.1:9")).ok();
    let server = Server::start(&place, "");
    let elsewhere = Place::new();
    let url = format!("http://{}", server.http);
    let environment =
        |token| [("POSTERN_DATA_DIR", "/dev/null/data"), ("POSTERN_URL", url.as_str()), ("POSTERN_TOKEN", token)];
    let arguments = ["-f", "m@x.test", "a@x.test", "b@x.test"];
    let mail = "From: m@x.test\nTo: a@x.test\nSubject: over http\n\nhi\n";
    sendmail(&elsewhere, &arguments, mail, &environment("erp-token")).ok();
    let message = &place.messages()[0];
    assert_eq!((recipients(message).as_str(), message["via"].as_str()), ("a@x.test b@x.test", Some("http")));
    let refused = sendmail(&elsewhere, &arguments, mail, &environment("wrong"));
    assert_eq!(refused.status, 77, "{refused:?}");
    drop(server);
    let gone = sendmail(&elsewhere, &arguments, mail, &environment("erp-token"));
    assert_eq!(gone.status, 75, "{gone:?}");
}
