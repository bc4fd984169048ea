//! People who sign in to the console, and programs that use the administrator's API.
//!
//! Promise: nobody is let in without a password that was checked in bounded, equal time, an id token that was verified,
//! or a bearer token of which only a keyed digest is kept. Whoever signs in gets a new session; a changed role or
//! password ends the old ones. An administrator who can sign in with a password always remains.
//!
//! Left to others: cookies, forms and redirects (`console`), where users and sessions lie (`store`).
//!
//! Invariant: every operation asks for the role first and leaves one entry in the audit log; no secret is in one.

mod api_tokens;
mod change;
mod common_passwords;
mod gate;
mod openid;
mod password;
mod random;
mod second_factor;
mod session;
mod setup_token;
mod sign_in;
mod user_name;
mod users;

pub use api_tokens::{
    ApiTokenSummary, CreatedApiToken, NewApiToken, api_actor, create_api_token, list_api_tokens, revoke_api_token,
};
pub use gate::SignInGate;
pub use openid::{
    OpenIdAnswer, OpenIdError, OpenIdGate, OpenIdProviderEntry, OpenIdProviderSummary, OpenIdRedirect, openid_name,
    set_sign_in, sign_in_settings,
};
pub use random::{password as generate_password, token as generate_token};
pub use second_factor::{
    RecoveryCodes, TotpEnrolment, begin_totp, confirm_totp, new_recovery_codes, remove_own_totp, remove_totp,
};
pub use session::{
    NewSession, SessionPolicy, SessionSummary, SignedIn, csrf_matches, csrf_token, end_other_sessions, end_session,
    list_sessions, own_sessions, purge_sessions, sign_out, who,
};
pub use setup_token::{SetupToken, needs_setup};
pub use sign_in::{Client, Credentials, SignInError, reauthenticate, sign_in};
pub use users::{
    AddedUser, NewUser, UserSummary, add_user, change_own_password, change_role, list_users, remove_user,
    reset_password, set_disabled, user_named,
};
