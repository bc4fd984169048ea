//! Text that strangers wrote (subjects, addresses, headers, answers of upstreams), made fit to be looked at.
//!
//! Promise: what comes out is bounded, and says what it holds: characters that turn the order of writing around, that
//! nobody sees, or that are no text, are written out as their code. Escaping for HTML is the template's work.

use std::fmt::Write as _;

/// Longer subjects are cut in lists.
pub(crate) const LINE_MAX_CHARS: usize = 200;

/// One line, cut at `max_chars`.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == max_chars {
            shown.push('…');
            break;
        }
        match letter {
            '\r' | '\n' | '\t' => shown.push(' '),
            letter => push(&mut shown, letter),
        }
    }
    shown
}

/// Several lines, cut at `max_chars`: line ends and tabs stay.
pub(crate) fn lines(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == max_chars {
            shown.push('…');
            break;
        }
        match letter {
            '\r' => {}
            '\n' | '\t' => shown.push(letter),
            letter => push(&mut shown, letter),
        }
    }
    shown
}

fn push(shown: &mut String, letter: char) {
    if is_deceptive(letter) {
        // Writing to a String cannot fail.
        let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(letter));
    } else {
        shown.push(letter);
    }
}

/// Controls; marks, embeddings, overrides and isolates of writing direction; what has no width; tags; line separators.
/// The joiners U+200C and U+200D stay: scripts and emoji are written with them.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_the_eye_is_written_out() {
        for (text, shown, reason) in [
            ("Rechnung für Öko", "Rechnung für Öko", "plain"),
            ("שלום, 東京", "שלום, 東京", "other scripts are text like any"),
            ("exe.\u{202E}fdp.txt", "exe.⟨U+202E⟩fdp.txt", "an override hides the ending"),
            ("a\u{2066}b\u{2069}", "a⟨U+2066⟩b⟨U+2069⟩", "isolates"),
            ("bank\u{200B}.test", "bank⟨U+200B⟩.test", "a space nobody sees"),
            ("a\u{0}b\u{1B}[31m", "a⟨U+0000⟩b⟨U+001B⟩[31m", "controls"),
            ("two\r\nlines", "two  lines", "one line stays one"),
        ] {
            assert_eq!(line(text, 100), shown, "{reason}");
        }
    }

    #[test]
    fn a_line_is_cut_and_lines_keep_their_ends() {
        assert_eq!(line("äbcdef", 3), "äbc…");
        assert_eq!(line("abc", 3), "abc");
        assert_eq!(lines("a: b\r\n\tc\u{202E}\n", 100), "a: b\n\tc⟨U+202E⟩\n");
    }
}
