//! The words for every number.

use super::*;

type Row = (&'static [u32], &'static str, &'static str, &'static str, Who);

/// Every number that stands in Microsoft's "Microsoft Entra authentication and authorization error codes" and can come of
/// a token request or a sign-in for mail, with the OAuth error it comes as, a word of its cause, one of its fix, and
/// whose hands that is in.
static MET: &[Row] = &[
    (&[7_000_215], "invalid_client", "Secret ID", "Value", GatewayAdministrator),
    (&[7_000_222], "invalid_client", "expired", "new client secret", EntraAdministrator),
    (&[7_000_218], "invalid_request", "neither a secret", "public client flows", GatewayAdministrator),
    (&[700_025], "invalid_client", "public client", "Web", EntraAdministrator),
    (&[700_016, 700_011, 70_001], "unauthorized_client", "Client ID", "tenant", GatewayAdministrator),
    (&[7_000_112], "unauthorized_client", "disabled", "Enable it", EntraAdministrator),
    (&[90_002], "invalid_request", "no such tenant", "cloud", GatewayAdministrator),
    (&[900_382, 900_432, 90_038], "invalid_request", "national cloud", "cloud", GatewayAdministrator),
    (&[50_059, 9_001_023, 50_194], "invalid_request", "concrete tenant", "'common'", GatewayAdministrator),
    (
        &[700_027, 700_030, 700_024, 50_012, 50_013, 500_133, 50_048],
        "invalid_client",
        "certificate",
        "clock",
        EntraAdministrator,
    ),
    (
        &[700_021, 70_021, 700_211, 700_212, 700_213, 700_229],
        "invalid_client",
        "federated credential",
        "audience",
        EntraAdministrator,
    ),
    (&[70_011, 70_012, 28_000, 28_002, 28_003, 700_022], "invalid_scope", ".default", "cloud", GatewayAdministrator),
    (&[500_011, 50_001, 650_057, 650_052], "invalid_resource", "licence", "Exchange Online", EntraAdministrator),
    (&[65_001, 90_094, 90_095, 650_056, 65_004], "invalid_grant", "consented", "admin consent", EntraAdministrator),
    (&[50_105], "invalid_grant", "assignment", "Assign", EntraAdministrator),
    (
        &[50_076, 50_074, 50_078, 50_079, 50_072],
        "interaction_required",
        "Multi-factor",
        "Sign in again",
        GatewayAdministrator,
    ),
    (
        &[53_003, 53_000, 53_001, 53_002, 530_032, 530_035, 53_011],
        "access_denied",
        "Conditional Access",
        "application permission",
        EntraAdministrator,
    ),
    (&[50_173, 50_133, 50_132, 50_089], "invalid_grant", "revoked", "Sign in again", GatewayAdministrator),
    (&[70_008, 700_082, 70_043, 700_084], "invalid_grant", "90 days", "Sign in again", GatewayAdministrator),
    (&[70_000, 54_005, 501_481], "invalid_grant", "used before", "again", GatewayAdministrator),
    (&[50_011], "invalid_request", "redirect URI", "letter by letter", EntraAdministrator),
    (
        &[50_034, 50_020, 50_057, 50_053, 50_055, 50_126],
        "invalid_grant",
        "user account",
        "Entra admin center",
        EntraAdministrator,
    ),
    (&[50_196], "invalid_grant", "too many", "waits", Nobody),
    (
        &[90_033, 90_006, 90_024, 90_012, 50_033, 50_087, 90_090],
        "temporarily_unavailable",
        "passing",
        "tried again",
        Nobody,
    ),
    (&[90_055], "temporarily_unavailable", "rate", "waits", Nobody),
    (&[70_016, 70_018, 70_019, 70_020], "bad_verification_code", "device sign-in", "again", GatewayAdministrator),
];

#[test]
fn every_number_stands_in_the_table_once() {
    let mut all: Vec<u32> = TABLE.iter().flat_map(|entry| entry.codes).copied().collect();
    let before = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), before);
}

#[test]
fn every_number_an_administrator_can_meet_has_a_cause_a_fix_and_somebody_to_act() {
    for (numbers, error, cause, fix, who) in MET {
        for number in *numbers {
            let refusal = Refusal { error: (*error).to_owned(), error_codes: vec![*number], ..Refusal::default() };
            let explanation = explain("w", 400, &refusal);
            assert!(explanation.why.contains(cause), "{number}: {explanation}");
            assert!(explanation.fix.contains(fix), "{number}: {explanation}");
            assert_eq!(explanation.who, *who, "{number}: {explanation}");
        }
    }
    let walked: usize = MET.iter().map(|(numbers, ..)| numbers.len()).sum();
    let explained: usize = TABLE.iter().map(|entry| entry.codes.len()).sum();
    assert_eq!(walked, explained, "a number is explained and not walked");
}

#[test]
fn an_unknown_number_is_explained_by_its_oauth_error_and_an_unknown_error_by_its_status() {
    let table = [
        // Known number: its own words, whatever the error says.
        (400, "invalid_client", 7_000_222, "expired"),
        (401, "invalid_client", 1, "proof of identity"),
        (503, "brand_new", 1, "passing problem"),
        (429, "brand_new", 1, "rate"),
        (400, "brand_new", 1, "no words for"),
    ];
    for (status, error, number, expected) in table {
        let refusal = Refusal { error: error.to_owned(), error_codes: vec![number], ..Refusal::default() };
        let explanation = explain("w", status, &refusal);
        assert!(explanation.why.contains(expected), "{explanation}");
    }
}

#[test]
fn an_explanation_carries_the_ids_support_asks_for() {
    let refusal = Refusal { trace_id: Some("T-1".into()), correlation_id: Some("C-1".into()), ..Refusal::default() };
    let why = explain("w", 400, &refusal).why;
    assert!(why.contains("T-1") && why.contains("C-1"), "{why}");
}
