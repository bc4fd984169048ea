//! Content-Transfer-Encoding, decoded in pieces.
//!
//! Promise: however the encoded bytes are cut into pieces, the decoded ones are the same. Never fails: what is no base64 is
//! passed over (RFC 2045 §6.8), what is no quoted-printable stays as it is (§6.7).

/// The encodings of RFC 2045 §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit` and `binary`.
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    /// `None`: not an encoding anybody must know.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "7bit" | "8bit" | "binary" | "" => Some(Self::Identity),
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// Decodes one part.
#[derive(Debug, Clone)]
pub struct Decoder {
    encoding: Encoding,
    bits: u32,
    bit_count: u8,
    /// White space that may be the padding of a line's end, or a `=` whose meaning is not known yet.
    undecided: Vec<u8>,
}

impl Decoder {
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, bits: 0, bit_count: 0, undecided: Vec::new() }
    }

    /// Appends what `encoded` decodes to.
    pub fn decode(&mut self, encoded: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity => out.extend_from_slice(encoded),
            Encoding::Base64 => encoded.iter().for_each(|byte| self.base64(*byte, out)),
            Encoding::QuotedPrintable => encoded.iter().for_each(|byte| self.quoted_printable(*byte, out)),
        }
    }

    /// The part has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.undecided.first() == Some(&b'=') && self.undecided != b"=" {
            out.extend_from_slice(&self.undecided);
        }
        self.undecided.clear();
        (self.bits, self.bit_count) = (0, 0);
    }

    fn base64(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Some(value) = base64_value(byte) else {
            if byte == b'=' {
                // The end of a group; some writers put several encoded pieces one after the other.
                (self.bits, self.bit_count) = (0, 0);
            }
            return;
        };
        self.bits = (self.bits << 6) | u32::from(value);
        self.bit_count += 6;
        if self.bit_count >= 8 {
            self.bit_count -= 8;
            let [.., low] = (self.bits >> self.bit_count).to_be_bytes();
            out.push(low);
        }
    }

    fn quoted_printable(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.undecided.first() == Some(&b'=') {
            return self.after_equals(byte, out);
        }
        match byte {
            b'=' => {
                out.append(&mut self.undecided);
                self.undecided.push(byte);
            }
            b' ' | b'\t' => self.undecided.push(byte),
            b'\r' | b'\n' => {
                self.undecided.clear();
                out.push(byte);
            }
            _ => {
                out.append(&mut self.undecided);
                out.push(byte);
            }
        }
    }

    fn after_equals(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.undecided.as_slice(), byte) {
            // A soft line break, with the padding some gateways add before it.
            (_, b'\n') => self.undecided.clear(),
            ([b'='] | [b'=', b' ' | b'\t', ..], b'\r' | b' ' | b'\t') => {
                self.undecided.push(byte);
            }
            ([b'='], _) if byte.is_ascii_hexdigit() => self.undecided.push(byte),
            ([b'=', high], _) if hex(*high).is_some() && byte.is_ascii_hexdigit() => {
                out.push((hex(*high).unwrap_or(0) << 4) | hex(byte).unwrap_or(0));
                self.undecided.clear();
            }
            _ => {
                out.append(&mut self.undecided);
                self.quoted_printable(byte, out);
            }
        }
    }
}

fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: Encoding, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
        pieces.iter().for_each(|piece| decoder.decode(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn quoted_printable_is_read_as_the_rfc_says_and_its_errors_stay_visible() {
        let table: [(&str, &str, &str); 9] = [
            ("gr=C3=BCn", "grün", "the plain case"),
            ("gr=c3=bcn", "grün", "lower case, which writers use all the same"),
            ("a=\r\nb", "ab", "a soft line break"),
            ("a= \t\r\nb", "ab", "padding before it"),
            ("a \t\r\nb", "a\r\nb", "padding of a line's end goes"),
            ("a b", "a b", "white space elsewhere stays"),
            ("1=2, =zz", "1=2, =zz", "no escape at all"),
            ("=3D=3D", "==", "escaped signs"),
            ("a=", "a", "a soft break at the very end"),
        ];
        for (encoded, decoded, why) in table {
            assert_eq!(
                String::from_utf8(decode(Encoding::QuotedPrintable, &[encoded.as_bytes()])).unwrap(),
                decoded,
                "{why}"
            );
        }
    }

    #[test]
    fn an_encoding_nobody_knows_is_none() {
        assert_eq!(Encoding::parse(" BASE64 "), Some(Encoding::Base64));
        assert_eq!(Encoding::parse("x-uuencode"), None);
    }

    proptest! {
        #[test]
        fn base64_in_any_pieces_decodes_to_what_was_encoded(
            content in proptest::collection::vec(any::<u8>(), 0..400), width in 1_usize..100, cut in 0_usize..600,
        ) {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&content);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            let wrapped = lines.join(&b"\r\n"[..]);
            let (one, two) = wrapped.split_at(cut.min(wrapped.len()));
            prop_assert_eq!(decode(Encoding::Base64, &[one, two]), content);
        }

        #[test]
        fn quoted_printable_does_not_depend_on_the_pieces(encoded in "[a=3D \t\r\n]{0,40}", cut in 0_usize..40) {
            let (one, two) = encoded.as_bytes().split_at(cut.min(encoded.len()));
            let whole = decode(Encoding::QuotedPrintable, &[encoded.as_bytes()]);
            prop_assert_eq!(decode(Encoding::QuotedPrintable, &[one, two]), whole);
        }
    }
}
