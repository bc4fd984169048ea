//! What no page may have: a script or style of its own, or text of strangers as markup.

use super::words::{Piece, pieces};

/// Breaks out of an attribute, and out of text; in mail and settings, where strangers or careless people write.
pub(super) const MARKER: &str = "\"'><img src=x onerror=alert(1)>";

/// Everything on the page that would run, or style, without being a file of ours.
pub(super) fn inline(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within_script = false;
    for piece in pieces(html) {
        match piece {
            Piece::Start { name, attributes } => {
                // Numbers for a script of ours: no browser runs them.
                let is_data = attributes.get("type").is_some_and(|kind| kind == "application/json");
                within_script = name == "script" && !is_data;
                if name == "style" || (within_script && !attributes.contains_key("src")) {
                    found.push(format!("<{name}>"));
                }
                for (attribute, value) in attributes {
                    let is_code = attribute.starts_with("on") || attribute.starts_with("hx-on") || attribute == "style";
                    let is_address = ["href", "src", "action", "formaction", "srcdoc"].contains(&attribute.as_str());
                    let is_ours = value.is_empty() || value.starts_with(['/', '#', '?']) || value.starts_with("http");
                    let evaluates =
                        attribute.starts_with("hx-") && (value.contains("js:") || value.contains("javascript:"));
                    if is_code || evaluates || (is_address && (!is_ours || value.starts_with("//"))) {
                        found.push(format!("<{name} {attribute}={value:?}>"));
                    }
                }
            }
            Piece::Text(text) if within_script && !text.trim().is_empty() => found.push(format!("script {text:?}")),
            Piece::Text(_) => {}
            Piece::End(_) => within_script = false,
        }
    }
    found
}

/// Elements that only text of strangers could have become.
pub(super) fn broken_out(html: &str) -> Vec<String> {
    let starts = pieces(html).into_iter().filter_map(|piece| match piece {
        Piece::Start { name, attributes } => Some((name, attributes)),
        _ => None,
    });
    let strange = starts.filter(|(name, attributes)| name == "img" || attributes.contains_key("onerror"));
    strange.map(|(name, attributes)| format!("<{name} {attributes:?}>")).collect()
}

#[test]
fn what_would_run_is_found() {
    for (page, found) in [
        ("<script src=\"/assets/a.js\"></script><a href=\"/x\">x</a>", 0),
        ("<script>go()</script>", 2),
        ("<p style=\"color:red\" onclick=\"go()\">", 2),
        ("<a href=\"javascript:go()\">", 1),
        ("<a href=\"//evil.test/\">", 1),
        ("<script type=\"application/json\">{}</script>", 0),
        ("<script type=\"module\">go()</script>", 2),
        ("<div hx-vals=\"js:go()\">", 1),
    ] {
        assert_eq!(inline(page).len(), found, "{page}: {:?}", inline(page));
    }
    assert_eq!(broken_out(&format!("<p title=\"{MARKER}\">")).len(), 1);
    assert_eq!(broken_out("<p title=\"&quot;&gt;&lt;img src=x onerror=alert(1)&gt;\">").len(), 0);
}
