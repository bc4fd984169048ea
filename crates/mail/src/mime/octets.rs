//! What octets a content has, found while it streams by.

/// Counts octets beyond ASCII, and tells whether they are UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Octets {
    /// How many are beyond ASCII.
    pub beyond_ascii: u64,
    /// How many there are.
    pub count: u64,
    is_broken: bool,
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
}

impl Octets {
    /// The whole is UTF-8.
    pub fn are_utf8(&self) -> bool {
        !self.is_broken && self.begun.is_empty()
    }

    pub(super) fn add(&mut self, octets: &[u8]) {
        self.count = self.count.saturating_add(length(octets));
        if octets.is_ascii() && self.begun.is_empty() {
            return;
        }
        self.beyond_ascii = self.beyond_ascii.saturating_add(octets.iter().map(|octet| u64::from(octet >> 7)).sum());
        if self.is_broken {
            return;
        }
        self.begun.extend_from_slice(octets);
        match std::str::from_utf8(&self.begun) {
            Ok(_) => self.begun.clear(),
            Err(error) if error.error_len().is_none() => {
                self.begun.drain(..error.valid_up_to());
            }
            Err(_) => {
                self.is_broken = true;
                self.begun.clear();
            }
        }
    }
}

fn length(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_known_wherever_it_is_cut() {
        for (text, are_utf8) in
            [(&b"a"[..], true), ("grün €".as_bytes(), true), (b"gr\xfcn", false), (b"gr\xc3", false)]
        {
            for at in 0..=text.len() {
                let mut octets = Octets::default();
                octets.add(&text[..at]);
                octets.add(&text[at..]);
                assert_eq!(octets.are_utf8(), are_utf8, "{text:?} cut at {at}");
                let beyond = text.iter().filter(|octet| !octet.is_ascii()).count();
                assert_eq!(octets.beyond_ascii, u64::try_from(beyond).unwrap());
                assert_eq!(octets.count, u64::try_from(text.len()).unwrap());
            }
        }
    }
}
