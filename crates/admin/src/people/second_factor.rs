//! The second factor: codes that change with time (RFC 6238), and recovery codes for a lost device.

use jiff::Timestamp;
use secrecy::SecretString;
use settings::UserId;
use store::Store;

use super::{SignInGate, SignedIn};
use crate::{Actor, AdminError};

/// What the authenticator app needs. Shown once.
#[derive(Debug)]
pub struct TotpEnrolment {
    /// Base32, for typing.
    pub secret: SecretString,
    /// `otpauth://totp/…`
    pub url: SecretString,
    /// The URL as a QR code: an `<svg>` element without scripts or styles, black on white.
    pub qr_svg: SecretString,
}

/// Ten codes, each good for one sign-in instead of the device. Shown once; their digests are kept.
#[derive(Debug)]
pub struct RecoveryCodes(pub Vec<SecretString>);

/// Makes a secret that counts once [`confirm_totp`] has seen a code of it, within ten minutes. Needs a fresh sign-in.
/// Calling it again makes another.
pub fn begin_totp(gate: &SignInGate, signed_in: &SignedIn, now: Timestamp) -> Result<TotpEnrolment, AdminError> {
    todo!()
}

/// The second factor counts from now on, if `code` is right.
pub async fn confirm_totp(
    store: &dyn Store,
    gate: &SignInGate,
    signed_in: &SignedIn,
    code: &str,
    now: Timestamp,
) -> Result<RecoveryCodes, AdminError> {
    todo!()
}

/// New recovery codes; the old ones are worth nothing any more. Needs a fresh sign-in.
pub async fn new_recovery_codes(
    store: &dyn Store,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<RecoveryCodes, AdminError> {
    todo!()
}

/// Needs a fresh sign-in.
pub async fn remove_own_totp(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}

/// By an administrator, for somebody who lost their device. Ends the user's sessions.
pub async fn remove_totp(store: &dyn Store, actor: &Actor, user: &UserId, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}
