//! The second factor: codes that change with time (RFC 6238), and recovery codes for a lost device.
//!
//! Promise: a code counts in its own half minute and the two beside it, and once. Secret and digests of the recovery codes
//! lie sealed in the user's row: base32 in the first line, one digest a line after it.
//!
//! Left to others: how often one may try (`super::gate`).

use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use settings::{Role, Sealed, User, UserId};
use store::{KeyRing, SecretField, SettingsChange, Store, StoreError};
use totp_rs::{Builder, Secret, Totp};

use super::change::{Decision, change, end_sessions_of, unusable};
use super::{SignInGate, SignedIn, random, users};
use crate::{Actor, AdminError};

/// What the authenticator app shows beside the user's name.
const ISSUER: &str = "Postern";
const RECOVERY_CODES: usize = 10;

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
    signed_in.must_be_fresh(now)?;
    if !signed_in.user.has_password {
        return Err(AdminError::refused(
            "you sign in with the OpenID provider: the second factor is asked for there",
            "Set it up at the provider.",
        ));
    }
    let secret = Secret::from(*random::bytes::<20>()?);
    let base32 = SecretString::from(secret.to_base32());
    let totp = totp(secret, &signed_in.user.name)?;
    let url = totp.to_url().map_err(|error| unmakeable(&error))?;
    let code = QrCode::new(url.as_bytes()).map_err(|error| unmakeable(&error))?;
    let qr_svg = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    // An element to put into a page, not a document of its own.
    let qr_svg = qr_svg.find("<svg").and_then(|start| qr_svg.get(start..)).unwrap_or(&qr_svg).to_owned();
    gate.put_pending(&signed_in.user.id, base32.clone(), now)?;
    Ok(TotpEnrolment { secret: base32, url: url.into(), qr_svg: qr_svg.into() })
}

/// The second factor counts from now on, if `code` is right.
pub async fn confirm_totp(
    store: &dyn Store,
    gate: &SignInGate,
    signed_in: &SignedIn,
    code: &str,
    now: Timestamp,
) -> Result<RecoveryCodes, AdminError> {
    let id = &signed_in.user.id;
    let base32 = gate.pending(id, now).ok_or_else(|| {
        AdminError::refused("no second factor was begun in the last ten minutes", "Begin again with a new QR code.")
    })?;
    if !takes_code(gate, id, &base32, code, now)? {
        return Err(AdminError::refused(
            "the code is not right",
            "Enter the one that is shown now; if it stays wrong, set the clock of the device and of this server.",
        ));
    }
    let codes = set_factor(store, signed_in, "second_factor_added", &base32, now).await?;
    gate.forget_pending(id);
    Ok(codes)
}

/// New recovery codes; the old ones are worth nothing any more. Needs a fresh sign-in.
pub async fn new_recovery_codes(
    store: &dyn Store,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<RecoveryCodes, AdminError> {
    signed_in.must_be_fresh(now)?;
    let user = users::existing(&store.settings().borrow(), &signed_in.user.id)?.clone();
    let factor = Factor::of(&store.key_ring(), &user)?.ok_or_else(|| {
        AdminError::refused("there is no second factor", "Set one up: its recovery codes come with it.")
    })?;
    set_factor(store, signed_in, "recovery_codes_made", &factor.base32, now).await
}

/// Needs a fresh sign-in.
pub async fn remove_own_totp(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<(), AdminError> {
    signed_in.must_be_fresh(now)?;
    remove(store, signed_in.actor.name(), &signed_in.user.id, now).await
}

/// By an administrator, for somebody who lost their device. Ends the user's sessions.
pub async fn remove_totp(store: &dyn Store, actor: &Actor, user: &UserId, now: Timestamp) -> Result<(), AdminError> {
    actor.must_be(Role::Administrator)?;
    remove(store, actor.name(), user, now).await?;
    end_sessions_of(store, user, None).await?;
    Ok(())
}

async fn remove(store: &dyn Store, actor: &str, user: &UserId, now: Timestamp) -> Result<(), AdminError> {
    change(store, actor, "second_factor_removed", now, |settings| {
        let current = users::existing(settings, user)?;
        let without = User { totp: None, ..current.clone() };
        let changes = if current.totp.is_some() { vec![SettingsChange::PutUser(without)] } else { Vec::new() };
        Ok(Decision { changes, detail: json!({ "user": current.name }), outcome: () })
    })
    .await
}

/// Whether the code is right: one of the device, or a recovery code, which is used up by it.
pub(super) async fn accepts(
    store: &dyn Store,
    gate: &SignInGate,
    user: &User,
    code: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let keys = store.key_ring();
    let Some(factor) = Factor::of(&keys, user)? else { return Ok(true) };
    if takes_code(gate, &user.id, &factor.base32, code, now)? {
        return Ok(true);
    }
    let digest = recovery_digest(&keys, &user.id, code)?;
    if !factor.recovery_digests.contains(&digest) {
        return Ok(false);
    }
    // Of two sign-ins with the same code at once, the second finds it gone.
    change(store, &user.name, "recovery_code_used", now, |settings| {
        let gone = || Decision { changes: Vec::new(), detail: json!({}), outcome: false };
        let Some(current) = settings.user(&user.id) else { return Ok(gone()) };
        let Some(mut factor) = Factor::of(&keys, current)? else { return Ok(gone()) };
        let before = factor.recovery_digests.len();
        factor.recovery_digests.retain(|known| *known != digest);
        let left = factor.recovery_digests.len();
        if left == before {
            return Ok(gone());
        }
        let totp = Some(factor.seal(&keys, &user.id)?);
        let changes = vec![SettingsChange::PutUser(User { totp, ..current.clone() })];
        Ok::<_, StoreError>(Decision { changes, detail: json!({ "user": current.name, "left": left }), outcome: true })
    })
    .await
}

/// Keeps the secret with ten new recovery codes.
async fn set_factor(
    store: &dyn Store,
    signed_in: &SignedIn,
    action: &'static str,
    base32: &SecretString,
    now: Timestamp,
) -> Result<RecoveryCodes, AdminError> {
    let (keys, id) = (store.key_ring(), &signed_in.user.id);
    let codes = (0..RECOVERY_CODES).map(|_| random::recovery_code()).collect::<Result<Vec<_>, _>>()?;
    let recovery_digests =
        codes.iter().map(|code| recovery_digest(&keys, id, code.expose_secret())).collect::<Result<Vec<_>, _>>()?;
    let sealed = Factor { base32: base32.clone(), recovery_digests }.seal(&keys, id)?;
    change(store, signed_in.actor.name(), action, now, |settings| {
        let current = users::existing(settings, id)?;
        let changed = User { totp: Some(sealed.clone()), ..current.clone() };
        let changes = vec![SettingsChange::PutUser(changed)];
        Ok::<_, AdminError>(Decision { changes, detail: json!({ "user": current.name }), outcome: () })
    })
    .await?;
    Ok(RecoveryCodes(codes))
}

fn takes_code(
    gate: &SignInGate,
    user: &UserId,
    base32: &SecretString,
    code: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let unreadable = |detail: String| StoreError::Unreadable { detail: format!("a second factor: {detail}") };
    let secret = Secret::try_from_base32(base32.expose_secret()).map_err(|error| unreadable(error.to_string()))?;
    let totp = totp(secret, "").map_err(|error| unreadable(error.to_string()))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    // As the apps show it, in two groups.
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    Ok(totp.check(&code, seconds).is_some_and(|step| gate.take_step(user, step)))
}

fn totp(secret: Secret, user: &str) -> Result<Totp, AdminError> {
    let builder = Builder::new().with_secret(secret).with_issuer(Some(ISSUER)).with_account_name(user);
    builder.build().map_err(|error| unmakeable(&error))
}

fn unmakeable(error: &dyn std::fmt::Display) -> AdminError {
    AdminError::refused(format!("no second factor can be made: {error}"), "Choose a shorter user name, without ':'.")
}

/// However it is typed.
fn recovery_digest(keys: &KeyRing, user: &UserId, code: &str) -> Result<String, StoreError> {
    let code: String = code.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    keys.token_digest(&format!("recovery:{}:{code}", user.0).into()).map_err(|error| unusable(&error))
}

struct Factor {
    base32: SecretString,
    recovery_digests: Vec<String>,
}

impl Factor {
    fn of(keys: &KeyRing, user: &User) -> Result<Option<Self>, StoreError> {
        let Some(sealed) = &user.totp else { return Ok(None) };
        let text = keys.open(&place(&user.id), sealed).map_err(|error| unusable(&error))?;
        let mut lines = text.expose_secret().lines().map(str::to_owned);
        let base32 = lines.next().unwrap_or_default().into();
        Ok(Some(Self { base32, recovery_digests: lines.collect() }))
    }

    fn seal(&self, keys: &KeyRing, user: &UserId) -> Result<Sealed, StoreError> {
        let lines =
            std::iter::once(self.base32.expose_secret()).chain(self.recovery_digests.iter().map(String::as_str));
        let text = SecretString::from(lines.collect::<Vec<_>>().join("\n"));
        keys.seal(&place(user), &text).map_err(|error| unusable(&error))
    }
}

fn place(user: &UserId) -> SecretField {
    SecretField::new("user", user.0.clone(), "totp")
}
