//! Things made from chance: tokens, passwords, codes and ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use secrecy::SecretString;
use store::StoreError;
use zeroize::Zeroizing;

/// Small letters and digits without l, o, 0 and 1, which are mistaken for each other. 32, so that five bits choose one evenly.
const LEGIBLE: [char; 32] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
    '2', '3', '4', '5', '6', '7', '8', '9', 'i',
];

pub(super) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, StoreError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| StoreError::Unavailable { detail: format!("the system gives no random numbers: {error}") })?;
    Ok(bytes)
}

/// A bearer token: 256 bits, base64url.
pub fn token() -> Result<SecretString, StoreError> {
    Ok(BASE64URL.encode(bytes::<32>()?.as_slice()).into())
}

/// A password to read out once: 100 bits in five groups.
pub fn password() -> Result<SecretString, StoreError> {
    legible::<20>(4)
}

/// A recovery code: 50 bits in two groups.
pub(super) fn recovery_code() -> Result<SecretString, StoreError> {
    legible::<10>(5)
}

fn legible<const N: usize>(group: usize) -> Result<SecretString, StoreError> {
    let bytes = bytes::<N>()?;
    let letters: Vec<char> = bytes.iter().filter_map(|byte| LEGIBLE.get(usize::from(byte & 31))).copied().collect();
    let groups: Vec<String> = letters.chunks(group).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-").into())
}

/// An identity for something new: `kind` and enough chance to be alone.
pub(super) fn id(kind: &str) -> Result<String, StoreError> {
    let chance = bytes::<8>()?.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Ok(format!("{kind}-{chance:016x}"))
}
