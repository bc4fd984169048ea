//! What each AADSTS number means to an administrator: cause, fix, and who.
//!
//! Promise: words only. Whether to retry is decided elsewhere, on the OAuth `error`: Microsoft adds and renumbers these
//! codes without notice ("Microsoft Entra authentication and authorization error codes").

use std::fmt::Write as _;

use crate::explanation::{Explanation, Who};
use crate::refusal::Refusal;

struct Entry {
    codes: &'static [u32],
    cause: &'static str,
    fix: &'static str,
    who: Who,
}

const fn entry(codes: &'static [u32], cause: &'static str, fix: &'static str, who: Who) -> Entry {
    Entry { codes, cause, fix, who }
}

use Who::{EntraAdministrator, GatewayAdministrator, Nobody};

static TABLE: &[Entry] = &[
    entry(
        &[7_000_215],
        "The client secret is wrong. Most often its Secret ID was copied instead of its Value.",
        "Create a new client secret (Certificates & secrets), copy the column Value, which is shown only once, and enter it here.",
        GatewayAdministrator,
    ),
    entry(
        &[7_000_222],
        "The client secret has expired.",
        "Create a new client secret, or register a certificate, and enter it here.",
        EntraAdministrator,
    ),
    entry(
        &[7_000_218],
        "The request carried neither a secret nor an assertion, and this application must prove itself.",
        "Enter a client secret or a certificate; for a public client, switch on 'Allow public client flows'.",
        GatewayAdministrator,
    ),
    entry(
        &[700_025],
        "The application is registered as a public client, which must not send a secret.",
        "Register the platform as Web, or remove the secret here.",
        EntraAdministrator,
    ),
    entry(
        &[700_016, 700_011, 70_001],
        "No application with this Client ID is known in this tenant: wrong tenant, mistyped id, or never consented to.",
        "Compare Application (client) ID and Directory (tenant) ID with the registration's overview page.",
        GatewayAdministrator,
    ),
    entry(
        &[7_000_112],
        "The application is disabled in this tenant.",
        "Enable it: Enterprise applications, the application, Properties, 'Enabled for users to sign-in'.",
        EntraAdministrator,
    ),
    entry(
        &[90_002],
        "There is no such tenant: the Tenant ID is mistyped, or it belongs to another Microsoft cloud.",
        "Compare the Directory (tenant) ID, and the cloud chosen here.",
        GatewayAdministrator,
    ),
    entry(
        &[900_382, 900_432, 90_038],
        "The tenant lives in another national cloud.",
        "Choose the tenant's own cloud.",
        GatewayAdministrator,
    ),
    entry(
        &[50_059, 9_001_023, 50_194],
        "The request did not name one concrete tenant.",
        "Enter the Directory (tenant) ID instead of 'common' or 'organizations'.",
        GatewayAdministrator,
    ),
    entry(
        &[700_027, 700_030, 700_024, 50_012, 50_013, 500_133, 50_048],
        "The signed assertion was not accepted: the certificate is not registered with the application, the key is not its \
         own, or the clock of this machine is off.",
        "Upload this certificate to the app registration (compare thumbprints), and check the clock.",
        EntraAdministrator,
    ),
    entry(
        &[700_021, 70_021, 700_211, 700_212, 700_213, 700_229],
        "No federated credential of the application matches issuer and subject of the presented token.",
        "Compare issuer, subject and audience of the federated credential on the app registration.",
        EntraAdministrator,
    ),
    entry(
        &[70_011, 70_012, 28_000, 28_002, 28_003, 700_022],
        "The scope is not valid: an application asks for exactly one service's '.default'.",
        "Check the cloud and its Graph address; the scope is made from them.",
        GatewayAdministrator,
    ),
    entry(
        &[500_011, 50_001, 650_057, 650_052],
        "The service asked for does not exist in this tenant, or the tenant has no licence for it.",
        "Check that the tenant has Exchange Online, and that cloud and Graph address belong together.",
        EntraAdministrator,
    ),
    entry(
        &[65_001, 65_004, 90_094, 90_095, 650_056],
        "Nobody has consented to the application's permissions in this tenant.",
        "Grant admin consent: app registration, API permissions, 'Grant admin consent'.",
        EntraAdministrator,
    ),
    entry(
        &[50_105],
        "The application requires assignment, and this user or application is not assigned.",
        "Assign it under Enterprise applications, Users and groups, or switch 'Assignment required' off.",
        EntraAdministrator,
    ),
    entry(
        &[50_072, 50_074, 50_076, 50_078, 50_079],
        "Multi-factor authentication is required.",
        "Sign in again interactively, or use application permission instead of a user's.",
        GatewayAdministrator,
    ),
    entry(
        &[53_000, 53_001, 53_002, 53_003, 53_011, 530_032, 530_035],
        "Conditional Access or the security defaults block this sign-in.",
        "Exclude this workload from the policy, or use application permission instead of a user's.",
        EntraAdministrator,
    ),
    entry(
        &[50_089, 50_132, 50_133, 50_173],
        "The sign-in was revoked, by a password change or by an administrator.",
        "Sign in again.",
        GatewayAdministrator,
    ),
    entry(
        &[70_008, 70_043, 700_082, 700_084],
        "The refresh token has expired: unused for 90 days, or the tenant limits how long a sign-in lasts.",
        "Sign in again.",
        GatewayAdministrator,
    ),
    entry(
        &[70_000, 54_005, 501_481],
        "The code or token is malformed, was used before, or does not fit the sign-in it came from.",
        "Start the sign-in again.",
        GatewayAdministrator,
    ),
    entry(
        &[50_011],
        "The redirect URI of the request is not registered with the application.",
        "Add the redirect URI shown here to the app registration, letter by letter.",
        EntraAdministrator,
    ),
    entry(
        &[50_020, 50_034, 50_053, 50_055, 50_057, 50_126],
        "The user account cannot sign in: missing, a guest, locked, disabled, or its password is wrong or expired.",
        "Check the account in the Entra admin center, then sign in again.",
        EntraAdministrator,
    ),
    entry(
        &[50_196],
        "Entra ID saw too many identical requests in a row and stopped answering them.",
        "Nothing: the gateway waits. If it persists, look for another program that uses the same Client ID.",
        Nobody,
    ),
    entry(
        &[90_033, 90_006, 90_024, 90_012, 50_033, 50_087, 90_090],
        "Entra ID has a passing problem.",
        "Nothing: it is tried again. If it persists, look at Microsoft's service health page.",
        Nobody,
    ),
    entry(
        &[90_055],
        "Entra ID limits the rate of requests of this tenant or application.",
        "Nothing: the gateway waits as long as Entra ID asks for.",
        Nobody,
    ),
    entry(
        &[70_016, 70_018, 70_019, 70_020],
        "The device sign-in was not completed: it is pending, its code was mistyped, or it has expired.",
        "Complete the sign-in, or start it again.",
        GatewayAdministrator,
    ),
];

/// What to say when the number is unknown: the OAuth error still tells the direction.
static BY_OAUTH_ERROR: &[(&str, &str, &str, Who)] = &[
    (
        "invalid_client",
        "Entra ID does not accept the application's proof of identity.",
        "Check the Client ID and the client secret or certificate.",
        GatewayAdministrator,
    ),
    (
        "unauthorized_client",
        "The application may not use this way of signing in, or is unknown in this tenant.",
        "Check Client ID and Tenant ID, and that the application is enabled.",
        EntraAdministrator,
    ),
    (
        "invalid_scope",
        "Entra ID does not know the scope.",
        "Check the cloud and its Graph address.",
        GatewayAdministrator,
    ),
    (
        "invalid_resource",
        "The service asked for does not exist in this tenant.",
        "Check that the tenant has Exchange Online, and the cloud.",
        EntraAdministrator,
    ),
    ("invalid_grant", "The sign-in is not, or no longer, valid.", "Sign in again.", GatewayAdministrator),
    (
        "interaction_required",
        "Entra ID wants a person to sign in.",
        "Sign in again interactively.",
        GatewayAdministrator,
    ),
    (
        "consent_required",
        "Nobody has consented to the application's permissions.",
        "Grant admin consent on the app registration.",
        EntraAdministrator,
    ),
    (
        "access_denied",
        "A policy of the tenant denies the sign-in.",
        "Look at the sign-in log in the Entra admin center.",
        EntraAdministrator,
    ),
    ("temporarily_unavailable", "Entra ID has a passing problem.", "Nothing: it is tried again.", Nobody),
    ("server_error", "Entra ID has a passing problem.", "Nothing: it is tried again.", Nobody),
    ("slow_down", "Entra ID asks for fewer requests.", "Nothing: the gateway waits.", Nobody),
];

/// Explains a refusal, with Entra's own sentence and the ids that its support asks for.
pub(crate) fn explain(what: &'static str, status: u16, refusal: &Refusal) -> Explanation {
    let (cause, fix, who) = words(status, refusal);
    let mut why = cause.to_owned();
    // Writing to a String cannot fail.
    let sentence = refusal.sentence();
    if sentence.is_empty() {
        let _ = write!(why, " ({status} {})", refusal.error);
    } else {
        let _ = write!(why, " Entra ID says: {sentence} ({status} {})", refusal.error);
    }
    for (name, value) in [("trace id", &refusal.trace_id), ("correlation id", &refusal.correlation_id)] {
        if let Some(value) = value {
            let _ = write!(why, " {name} {value}");
        }
    }
    Explanation::new(what, why, fix, who)
}

/// Explains why a sign-in in a browser came back without a code.
pub(crate) fn explain_sign_in(refusal: &Refusal) -> Explanation {
    let (mut cause, mut fix, mut who) = words(0, refusal);
    if refusal.aadsts().is_none_or(|number| number == DECLINED) && refusal.error == "access_denied" {
        cause = "Whoever signed in declined to let the application send.";
        fix = "Sign in again and accept.";
        who = GatewayAdministrator;
    }
    let sentence = refusal.sentence();
    let error: String = refusal.error.chars().filter(|c| !c.is_control()).take(MAX_ERROR_CHARS).collect();
    let why = match sentence.as_str() {
        "" => format!("{cause} ({error})"),
        _ => format!("{cause} Entra ID says: {sentence} ({error})"),
    };
    Explanation::new("The sign-in was not completed.", why, fix, who)
}

/// The user pressed Cancel on the page that asks for consent.
const DECLINED: u32 = 65_004;

/// OAuth errors are short words; what a browser brings may be anything.
const MAX_ERROR_CHARS: usize = 60;

fn words(status: u16, refusal: &Refusal) -> (&'static str, &'static str, Who) {
    if let Some(entry) = refusal.aadsts().and_then(|number| TABLE.iter().find(|entry| entry.codes.contains(&number))) {
        return (entry.cause, entry.fix, entry.who);
    }
    if let Some((_, cause, fix, who)) = BY_OAUTH_ERROR.iter().find(|(error, ..)| *error == refusal.error) {
        return (cause, fix, *who);
    }
    match status {
        429 => ("Entra ID limits the rate of requests.", "Nothing: the gateway waits.", Nobody),
        500.. => ("Entra ID has a passing problem.", "Nothing: it is tried again.", Nobody),
        _ => (
            "Entra ID refused for a reason this gateway has no words for.",
            "Look the AADSTS number up in Microsoft's list of authentication error codes, and at the tenant's sign-in log.",
            EntraAdministrator,
        ),
    }
}

#[cfg(test)]
mod tests;
