//! A secret as it lies in the store: ciphertext that only the key ring opens.

use serde::{Deserialize, Serialize};

/// Ciphertext of a secret with the id of the key that sealed it. What it may be opened for is bound into it
/// (associated data), so a value copied to another row does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which key of the ring.
    pub key_id: u32,
    /// Base64 of nonce and ciphertext.
    pub box_base64: String,
}
