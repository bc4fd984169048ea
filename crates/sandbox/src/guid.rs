//! GUIDs: random ones for requests and traces, derived ones for objects that must keep their id over restarts.

use crate::digest;

/// A random GUID (version 4).
pub(crate) fn random() -> String {
    format_guid(random_u128())
}

/// The GUID that `name` always gets.
pub(crate) fn derived(name: &str) -> String {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest::sha256(name.as_bytes())) {
        *to = from;
    }
    format_guid(u128::from_be_bytes(bytes))
}

/// A number nobody can guess. Falls back to the clock if the system has no randomness to give: nothing here guards
/// a secret, and a sandbox that stops for it helps nobody.
pub(crate) fn random_u128() -> u128 {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_be_bytes(bytes),
        Err(_) => jiff::Timestamp::now().as_nanosecond().unsigned_abs(),
    }
}

fn format_guid(value: u128) -> String {
    let versioned = (value & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    let mut out = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_derived_guid_is_stable_and_well_formed() {
        let guid = super::derived("anna@contoso.test");
        assert_eq!(guid, super::derived("anna@contoso.test"));
        assert_ne!(guid, super::derived("ben@contoso.test"));
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4', "version nibble");
        assert!(matches!(guid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "variant nibble");
    }
}
