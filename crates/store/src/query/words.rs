//! What a word is, for everything that searches.

/// The runs of letters and digits in a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Letter case taken away, letter by letter, so that the beginning of a word folds to the beginning of the folded word.
pub(crate) fn fold(word: &str) -> String {
    folded(word).collect()
}

fn folded(word: &str) -> impl Iterator<Item = char> {
    word.chars().flat_map(char::to_lowercase)
}

/// Whether a word of one of the fields begins with `wanted`, which is folded.
pub(crate) fn any_begins(fields: &[&str], wanted: &str) -> bool {
    fields.iter().flat_map(|field| words(field)).any(|word| begins(word, wanted))
}

fn begins(word: &str, wanted: &str) -> bool {
    let mut letters = folded(word);
    wanted.chars().all(|c| letters.next() == Some(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let found = |text: &'static str| words(text).map(fold).collect::<Vec<_>>();
        assert_eq!(found("Rechnung #4711-B für <Öko@x.test>"), ["rechnung", "4711", "b", "für", "öko", "x", "test"]);
        assert_eq!(found("東京 Ⅷ"), ["東京", "ⅷ"], "letters and numbers of any script");
        assert_eq!(found(" -%*\"' "), [""; 0]);
    }

    #[test]
    fn a_word_is_found_by_its_beginning_only() {
        for (word, wanted, is_found, reason) in [
            ("Invoice", "inv", true, "a beginning"),
            ("Invoice", "invoice", true, "the whole"),
            ("Invoice", "voice", false, "not within"),
            ("Invoice", "invoices", false, "not beyond"),
            ("ÜBER", "üb", true, "case beyond ASCII"),
            ("ΟΔΟΣ", "οδοσ", true, "letter by letter: no final sigma"),
        ] {
            assert_eq!(any_begins(&[word], wanted), is_found, "{reason}");
        }
    }
}
