use super::*;
use proptest::prelude::*;

fn found(value: &str) -> Vec<String> {
    let list = parse_address_list(value.as_bytes()).unwrap_or_else(|error| panic!("{value:?}: {error}"));
    list.mailboxes()
        .map(|mailbox| {
            let odd = if mailbox.is_plain && list.is_plain { "" } else { "?" };
            let written = std::str::from_utf8(mailbox.bytes_in(value.as_bytes())).unwrap();
            format!("{}{odd} = {written}", mailbox.address)
        })
        .collect()
}

#[test]
fn lists_are_understood_with_the_bytes_of_each_mailbox() {
    for (value, expected) in [
        ("", &[][..]),                              // `Cc:` written by mailers that mean nobody
        (" a@x.test", &["a@x.test = a@x.test"]),    // the usual
        ("<a@x.test>", &["a@x.test = <a@x.test>"]), // brackets without a name
        ("Anna B. Smith <a@x.test>", &["a@x.test = Anna B. Smith <a@x.test>"]), // a dot in the phrase
        ("\"a@b, c; <d@e>\" <a@x.test>", &["a@x.test = \"a@b, c; <d@e>\" <a@x.test>"]), // hostile quotes
        ("\"\\\"q\\\"\" <a@x.test>", &["a@x.test = \"\\\"q\\\"\" <a@x.test>"]), // escaped quotes
        ("a@x.test,\r\n\tb@x.test", &["a@x.test = a@x.test", "b@x.test = b@x.test"]), // a fold
        ("a@x.test, ,,b@x.test,", &["a@x.test = a@x.test", "b@x.test = b@x.test"]), // obs-addr-list
        (
            "F: a@x.test, B <b@x.test>;, c@x.test",
            &["a@x.test = a@x.test", "b@x.test = B <b@x.test>", "c@x.test = c@x.test"],
        ),
        ("undisclosed-recipients:;", &[]),
        ("a@x.test (Anna (the first))", &["a@x.test = a@x.test (Anna (the first))"]), // nested comment
        ("a@x.test (b@y.test)", &["a@x.test? = a@x.test (b@y.test)"]),                // an address in a comment
        ("(b@y.test), a@x.test", &["a@x.test? = a@x.test"]), // a comment that belongs to nobody
        ("<@r.test,@s.test:a@x.test>", &["a@x.test? = <@r.test,@s.test:a@x.test>"]), // obs-route
        ("a @ x . test", &["a@x.test? = a @ x . test"]),     // white space inside
        ("a(c)@x.test", &["a@x.test? = a(c)@x.test"]),       // a comment inside
        ("<a@x.test (c)>", &["a@x.test? = <a@x.test (c)>"]),
        ("F: a@x.test; (b@y.test)", &["a@x.test? = a@x.test"]),
        ("< a@x.test >", &["a@x.test? = < a@x.test >"]),
        ("\"a b\"@x.test", &["\"a b\"@x.test? = \"a b\"@x.test"]), // some readers drop the quotes here
        ("<\"a b\"@x.test>", &["\"a b\"@x.test = <\"a b\"@x.test>"]),
        ("=?utf-8?Q?J=C3=BCrgen?= <j@x.test>", &["j@x.test = =?utf-8?Q?J=C3=BCrgen?= <j@x.test>"]),
        ("=?utf-8?Q?a=40b?=@x.test", &["=?utf-8?Q?a=40b?=@x.test? = =?utf-8?Q?a=40b?=@x.test"]), // decoded by some
        ("Jürgen <jürgen@exämple.test>", &["jürgen@exämple.test = Jürgen <jürgen@exämple.test>"]),
        ("a@[192.0.2.1]", &["a@[192.0.2.1] = a@[192.0.2.1]"]),
        ("Anna<a@x.test>", &["a@x.test = Anna<a@x.test>"]), // no blank before the bracket
    ] {
        assert_eq!(found(value), expected, "{value:?}");
    }
}

#[test]
fn a_list_outside_the_grammar_is_not_understood() {
    for value in [
        "root",                            // no domain: nobody this gateway could mail
        "<>",                              // the null path is no mailbox
        "a@x.test; b@x.test",              // semicolons as Outlook shows them
        "a@x.test <a@x.test>",             // an unquoted '@' in the name
        "a@x.test b@x.test",               // no comma
        "\"open <a@x.test>",               // a quote that never closes
        "(open a@x.test",                  // a comment that never closes
        "F: a@x.test",                     // a group that never closes
        "F: G: a@x.test;;",                // a group in a group
        "a@x.test\0",                      // NUL
        "\"a\0\" <a@x.test>",              // NUL in quotes
        "\"a\\\0\" <a@x.test>",            // an escaped NUL
        "(b@y.test) F: a@x.test;",         // an address in a comment before a group
        "a@x.test,\rb@x.test",             // a bare CR
        "a b@x.test",                      // a phrase where a local part should be
        "a@x..test",                       // an empty label
        "a@x.test>",                       // a bracket too many
        "undisclosed-recipients",          // the colon forgotten
        "=?utf-8?Q?Smith,_A?= <a@x.test>", // a comma in an encoded word
    ] {
        assert!(parse_address_list(value.as_bytes()).is_err(), "{value:?}");
    }
    assert!(parse_address_list(b"\xfc@x.test").is_err(), "an address that is not UTF-8");
    assert!(parse_address_list(b"J\xfcrgen <j@x.test>").is_ok(), "a Latin-1 name beside a good address");
}

#[test]
fn salvage_finds_what_was_meant() {
    for (value, expected) in [
        ("a@x.test; b@x.test", &["a@x.test", "b@x.test"][..]),
        ("a@x.test <a@x.test>", &["\"a@x.test\" <a@x.test>"]),
        ("Smith, Anna <a@x.test>", &["Anna <a@x.test>"]),
        ("\"Smith, Anna <a@x.test>, b@x.test", &["Anna <a@x.test>", "b@x.test"]), // the open quote is no quote
        ("root, a@x.test", &["a@x.test"]),
        ("B\0b <b@x.test>, \"c, d\" <c@x.test>", &["Bb <b@x.test>", "\"c, d\" <c@x.test>"]),
        ("\r\n\tx@y.test z@y.test", &["x@y.test"]),
        ("nobody", &[]),
    ] {
        let written: Vec<String> =
            salvage_mailboxes(value.as_bytes()).into_iter().map(|s| String::from_utf8(s.written).unwrap()).collect();
        assert_eq!(written, expected, "{value:?}");
    }
}

#[test]
fn every_address_misses_none() {
    let value = b"ceo@x.test <app@x.test> (or <it@x.test>), \"a b\"@x.test x@[192.0.2.1] CEO@x.test.";
    let found: Vec<String> = every_address(value).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["ceo@x.test", "app@x.test", "it@x.test", "\"a b\"@x.test", "x@[192.0.2.1]"]);
}

#[test]
fn a_list_of_many_thousands_and_deep_comments_are_no_burden() {
    let long = "\"Somebody, Else\" <somebody@contoso.test>,\r\n ".repeat(20_000);
    assert_eq!(parse_address_list(long.as_bytes()).unwrap().entries.len(), 20_000);
    let deep = format!("{}a@x.test", "(".repeat(100_000));
    assert!(parse_address_list(deep.as_bytes()).is_err());
    let deep = format!("{}{}a@x.test", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(parse_address_list(deep.as_bytes()).unwrap().entries.len(), 1);
}

proptest! {
    #[test]
    fn a_formatted_mailbox_reads_back_as_itself(name in "\\PC{0,30}", local in "[a-z!#$%'*+/=^_`{|}~-]{1,20}") {
        let address: Address = format!("{local}@x.test").parse().unwrap();
        let written = format_mailbox(Some(&name), &address);
        let list = parse_address_list(written.as_bytes()).unwrap();
        let found: Vec<&Address> = list.mailboxes().map(|mailbox| &mailbox.address).collect();
        prop_assert_eq!(found, vec![&address]);
        prop_assert!(list.mailboxes().all(|mailbox| mailbox.is_plain));
    }

    #[test]
    fn no_input_panics(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_address_list(&value);
        let _ = every_address(&value);
        let _ = salvage_mailboxes(&value);
    }

    #[test]
    fn hostile_pieces_never_panic_and_spans_hold_the_address(pieces in proptest::collection::vec(
        prop::sample::select(vec!["a@x.test", "<", ">", "\"", "(", ")", ",", ";", ":", "\\", " ", "\r\n ", ".", "@", "=?", "[", "]", "b"]), 0..24)) {
        let value = pieces.concat();
        if let Ok(list) = parse_address_list(value.as_bytes()) {
            for mailbox in list.mailboxes().filter(|mailbox| mailbox.is_plain) {
                let text = std::str::from_utf8(mailbox.bytes_in(value.as_bytes())).unwrap();
                prop_assert!(text.contains(mailbox.address.as_str()), "{text}");
                prop_assert_eq!(every_address(text.as_bytes()).last().map(ToString::to_string), Some(mailbox.address.to_string()));
            }
        }
        let _ = salvage_mailboxes(value.as_bytes());
    }
}
