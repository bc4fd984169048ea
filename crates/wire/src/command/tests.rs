use mail::DsnNotify;
use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Result<Command<'_>, CommandError> {
    parse_command(line.as_bytes())
}

fn code(line: &[u8]) -> String {
    let error = parse_command(line).unwrap_err();
    let reply = error.reply();
    format!("{} {}", reply.code(), reply.status().unwrap())
}

#[test]
fn commands_are_recognized_in_any_case_and_with_trailing_blanks() {
    for (line, command) in [
        ("EHLO client.test", Command::Ehlo("client.test")),
        ("ehlo  [192.0.2.1] ", Command::Ehlo("[192.0.2.1]")),
        ("EHLO my pc", Command::Ehlo("my")), // Windows machine names with blanks
        ("HELO x", Command::Helo("x")),
        ("data", Command::Data),
        ("RSET ", Command::Rset), // a blank at the end is in use
        ("NOOP anything at all", Command::Noop),
        ("Quit\t", Command::Quit),
        ("VRFY postmaster", Command::Vrfy),
        ("EXPN list", Command::Expn),
        ("HELP MAIL", Command::Help),
        ("starttls", Command::StartTls),
        ("AUTH PLAIN", Command::Auth { mechanism: Mechanism::Plain, initial_response: None }),
        ("auth login dXNlcg==", Command::Auth { mechanism: Mechanism::Login, initial_response: Some("dXNlcg==") }),
        ("AUTH PLAIN =", Command::Auth { mechanism: Mechanism::Plain, initial_response: Some("=") }),
    ] {
        assert_eq!(parse(line), Ok(command), "{line}");
    }
}

#[test]
fn paths_as_real_clients_write_them_are_understood() {
    for (line, address) in [
        ("MAIL FROM:<a@b.test>", Some("a@b.test")),
        ("mail from:<a@b.test>", Some("a@b.test")),
        ("MAIL FROM: <a@b.test>", Some("a@b.test")), // a blank behind the colon: half of all scripts
        ("MAIL FROM : < a@b.test > ", Some("a@b.test")), // old devices
        ("MAIL FROM:a@b.test", Some("a@b.test")),    // without brackets
        ("MAIL FROM:<>", None),                      // null reverse-path
        ("MAIL FROM:<@x.test,@y.test:a@b.test>", Some("a@b.test")), // source route, dropped
        (r#"MAIL FROM:<"a >b"@c.test>"#, Some(r#""a >b"@c.test"#)), // a bracket in quotes
        (r#"MAIL FROM:<"a\">b"@c.test>"#, Some(r#""a\">b"@c.test"#)),
        (r#"MAIL FROM:"a b"@c.test SIZE=5"#, Some(r#""a b"@c.test"#)),
        ("MAIL FROM:<a@[192.0.2.1]>", Some("a@[192.0.2.1]")),
        ("MAIL FROM:<üser@exämple.test> SMTPUTF8", Some("üser@exämple.test")),
    ] {
        let Ok(Command::Mail(mail)) = parse(line) else { panic!("{line}: {:?}", parse(line)) };
        assert_eq!(mail.reverse_path.address().map(Address::as_str), address, "{line}");
    }
}

#[test]
fn parameters_of_mail_are_understood() {
    let line = "MAIL FROM:<a@b.test>  size=123 Body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+2B314 AUTH=<>";
    let Ok(Command::Mail(mail)) = parse(line) else { panic!("{:?}", parse(line)) };
    let expected = MailCommand {
        reverse_path: "a@b.test".parse::<Address>().unwrap().into(),
        size: Some(123),
        body: BodyType::EightBitMime,
        smtputf8: true,
        dsn_return: Some(DsnReturn::Headers),
        envelope_id: Some("QQ+314".to_owned()),
    };
    assert_eq!(mail, expected);
    let Ok(Command::Mail(mail)) = parse("MAIL FROM:<> SIZE=99999999999999999999") else { panic!() };
    assert_eq!(mail.size, Some(u64::MAX), "larger than any number is too large, not malformed");
}

#[test]
fn parameters_of_rcpt_are_understood() {
    let never = DsnNotify { success: false, failure: false, delay: false };
    for (parameters, notify, original) in [
        ("", None, None),
        (" NOTIFY=NEVER", Some(never), None),
        (" notify=Success,FAILURE", Some(DsnNotify { success: true, failure: true, ..never }), None),
        (
            " NOTIFY=DELAY ORCPT=rfc822;a+2Bb@c.test",
            Some(DsnNotify { delay: true, ..never }),
            Some("rfc822;a+b@c.test"),
        ),
        (r" ORCPT=utf-8;\x{FC}ser@c.test", None, Some("utf-8;üser@c.test")),
    ] {
        let line = format!("RCPT TO:<a@b.test>{parameters}");
        let Ok(Command::Rcpt(recipient)) = parse(&line) else { panic!("{line}: {:?}", parse(&line)) };
        assert_eq!(recipient.notify, notify, "{line}");
        assert_eq!(recipient.original_recipient.as_deref(), original, "{line}");
    }
}

#[test]
fn every_refusal_has_its_code() {
    let long_id = format!("MAIL FROM:<> ENVID={}", "x".repeat(101));
    for (line, expected) in [
        ("", "500 5.5.1"),
        ("FOO", "500 5.5.1"),
        ("MAILFROM:<a@b>", "500 5.5.1"),
        ("XVERYLONGVERB", "500 5.5.1"),
        (" NOOP", "500 5.5.1"),
        ("BDAT 10 LAST", "502 5.5.1"),
        ("GET / HTTP/1.1", "421 4.7.0"), // a browser: close, before its headers are taken for commands
        ("POST /x HTTP/1.1", "421 4.7.0"),
        ("NOOP\0", "500 5.5.2"),
        ("MAIL FROM:<a@b.test>\rRCPT TO:<c@d.test>", "500 5.5.2"), // a second command in the first
        ("EHLO", "501 5.5.4"),
        ("DATA now", "501 5.5.4"),
        ("STARTTLS x", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("MAIL <a@b.test>", "501 5.5.4"),
        ("MAIL FROM:", "501 5.5.4"),
        ("MAIL FROM:<a@b.test", "501 5.5.4"),
        ("MAIL FROM:<a@b.test>SIZE=1", "501 5.5.4"), // glued together: what is it?
        ("MAIL FROM:<a>", "501 5.1.7"),
        ("MAIL FROM:<a b@c.test>", "501 5.1.7"),
        ("MAIL FROM:Anna <a@b.test>", "501 5.1.7"), // a display name
        ("MAIL FROM:<a@b.test> FOO", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> NOTIFY=NEVER", "555 5.5.4"), // belongs to RCPT
        ("MAIL FROM:<a@b.test> SIZE", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> SIZE=-1", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> SIZE=+1", "501 5.5.4"), // what a lenient number parser lets in
        ("MAIL FROM:<a@b.test> SIZE=1 SIZE=2", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> RET=SOME", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> ENVID=a+0D+0AX", "501 5.5.4"), // a line break for the report
        (&long_id, "501 5.5.4"),
        ("MAIL FROM:<a@b.test> AUTH=a=b", "501 5.5.4"),
        ("MAIL FROM:<ü@b.test>", "553 5.6.7"),
        ("RCPT", "501 5.5.4"),
        ("RCPT TO:", "501 5.5.4"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<a@b.test> SIZE=1", "555 5.5.4"),
        ("RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY", "501 5.5.4"), // NEVER stands alone
        ("RCPT TO:<a@b.test> NOTIFY=", "501 5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=a@b.test", "501 5.5.4"),
        ("AUTH", "501 5.5.4"),
        ("AUTH PLAIN a b", "501 5.5.4"),
        ("AUTH CRAM-MD5", "504 5.5.4"),
    ] {
        assert_eq!(code(line.as_bytes()), expected, "{line:?}");
    }
    assert_eq!(code(b"MAIL FROM:<\xff@b.test> SMTPUTF8"), "500 5.5.2", "not UTF-8");
}

#[test]
fn a_hostile_parameter_name_is_quoted_in_part_and_harmlessly() {
    let error = parse(&format!("MAIL FROM:<> {}", "ü".repeat(500))).map(|_| ()).unwrap_err();
    assert!(error.reply().text().len() < 100 && error.reply().text().is_ascii());
}

proptest! {
    #[test]
    fn any_octets_are_a_command_or_a_refusal(line in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse_command(&line) {
            prop_assert!(error.reply().is_refusal());
        }
    }

    #[test]
    fn an_envelope_never_holds_a_line_break(tail in "[ -~\r\n\t<>@:;=+\"\\\\]{0,80}", verb in "(MAIL FROM|RCPT TO)") {
        let line = format!("{verb}:{tail}");
        let shown = match parse_command(line.as_bytes()) {
            Ok(Command::Mail(mail)) => format!("{} {:?}", mail.reverse_path, mail.envelope_id.as_deref()),
            Ok(Command::Rcpt(recipient)) => format!("{}{}", recipient.address, recipient.original_recipient.unwrap_or_default()),
            _ => String::new(),
        };
        prop_assert!(!shown.contains(['\r', '\n', '\t', '\0']));
    }
}
