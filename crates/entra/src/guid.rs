//! Fresh GUIDs, for the `jti` of an assertion and the `client-request-id` of a call.

use ulid::Ulid;

/// A UUID of version 7 (RFC 9562 §5.7): its layout is that of a ULID, milliseconds first, but for six fixed bits.
pub fn fresh_guid() -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let bits = (u128::from(Ulid::generate()) & !VERSION & !VARIANT) | (0x7 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let mut guid = String::with_capacity(36);
    for (position, digit) in hex.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            guid.push('-');
        }
        guid.push(digit);
    }
    guid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_the_shape_microsoft_expects_and_is_new_each_time() {
        let (one, two) = (fresh_guid(), fresh_guid());
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'7', "version of {one}");
        assert!(b"89ab".contains(&one.as_bytes()[19]), "variant of {one}");
    }
}
