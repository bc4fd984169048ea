//! A page as a person reads it: its text, links, fields and buttons.

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

pub(super) enum Piece {
    Start { name: String, attributes: BTreeMap<String, String> },
    End(String),
    Text(String),
}

/// As a browser cuts it into pieces.
pub(super) fn pieces(html: &str) -> Vec<Piece> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let tokens = Tokenizer::new_with_emitter(html, emitter).map(|token| match token {
        Ok(token) => token,
    });
    let piece = |token| match token {
        Token::StartTag(tag) => {
            let attributes = tag.attributes.iter().map(|(name, value)| (text(name), text(value))).collect();
            Some(Piece::Start { name: text(&tag.name), attributes })
        }
        Token::EndTag(tag) => Some(Piece::End(text(&tag.name))),
        Token::String(string) => Some(Piece::Text(text(&string))),
        _ => None,
    };
    tokens.filter_map(piece).collect()
}

/// The `<main>` of a page, a line for each line a person sees.
pub(super) fn words(html: &str) -> String {
    let (mut shown, mut skipped, mut link) = (String::new(), 0, String::new());
    let has_main = html.contains("<main");
    let mut inside = !has_main;
    for piece in pieces(html) {
        match piece {
            Piece::Start { name, .. } if name == "main" => inside = true,
            Piece::End(name) if name == "main" => inside = false,
            _ if !inside => {}
            Piece::Start { name, .. } if is_skipped(&name) => skipped += 1,
            Piece::End(name) if is_skipped(&name) => skipped -= 1,
            _ if skipped > 0 => {}
            Piece::Text(text) => shown.push_str(&one_line(&text)),
            Piece::Start { name, attributes } => {
                shown.push_str(&opening(&name, &attributes));
                if name == "a" {
                    link = attributes.get("href").cloned().unwrap_or_default();
                }
            }
            Piece::End(name) => shown.push_str(&closing(&name, &link)),
        }
    }
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn is_skipped(name: &str) -> bool {
    matches!(name, "svg" | "script" | "style" | "noscript")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn closing(name: &str, link: &str) -> String {
    match name {
        "a" => format!("]({link})"),
        "button" => ">".to_owned(),
        "td" | "th" => " | ".to_owned(),
        "textarea" => "}".to_owned(),
        _ => String::new(),
    }
}

fn opening(name: &str, attributes: &BTreeMap<String, String>) -> String {
    let of = |name: &str| attributes.get(name).map_or("", String::as_str);
    match name {
        "h1" => "\n# ".to_owned(),
        "h2" => "\n## ".to_owned(),
        "h3" => "\n### ".to_owned(),
        "a" => "[".to_owned(),
        "form" => format!("\nform {} {}\n", of("method"), of("action")),
        "input" if of("name") == "csrf" => " {csrf}".to_owned(),
        "input" if of("type") == "checkbox" => {
            format!("\n{{{} {}}} ", if attributes.contains_key("checked") { "x" } else { "_" }, of("name"))
        }
        "input" => format!(" {{{}: {}}}", of("name"), of("value")),
        "textarea" => format!(" {{{}: ", of("name")),
        "select" => format!(" {{{}}}", of("name")),
        "option" => format!("\n  {} ", if attributes.contains_key("selected") { "(x)" } else { "( )" }),
        "button" => " <".to_owned(),
        "iframe" => format!("\niframe {} sandbox={:?}", of("src"), of("sandbox")),
        "li" => "\n- ".to_owned(),
        "p" | "div" | "tr" | "dt" | "label" | "summary" | "pre" | "caption" | "section" | "br" => "\n".to_owned(),
        "dd" => ": ".to_owned(),
        _ => String::new(),
    }
}

#[test]
fn a_page_in_words_has_what_a_person_sees() {
    let page = "<nav>menu</nav><main><h1>T</h1><svg><path/></svg><p>a <a href=\"/x\">b</a></p>\
                <form method=post action=\"/y\"><input name=n value=\"v&quot;\"><button>Go</button></form></main>";
    assert_eq!(words(page), "# T\na [b](/x)\nform post /y\n{n: v\"} <Go>");
}
