//! The machine's own identities: what its services want to be asked, and what they answer.

use sandbox::{Fault, FaultKind, Running};
use serde_json::Value;

use crate::client::*;

const USER_ASSIGNED: &str = "00000000-0000-0000-0000-00000000bbbb";
const SETTINGS: &str = r#"
[[tenant]]
id = "11111111-2222-3333-4444-555555555555"
name = "Contoso"
[[tenant.app]]
client_id = "00000000-0000-0000-0000-00000000aaaa"
managed_identity = "system"
roles = ["Mail.Send", "SMTP.SendAsApp"]
[[tenant.app]]
client_id = "00000000-0000-0000-0000-00000000bbbb"
managed_identity = "user"
[[tenant.app]]
client_id = "66666666-7777-8888-9999-000000000000"
secret = [{ value = "sandbox-secret" }]
"#;
/// Query, headers, and words of the refusal.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

const GRAPH: &str = "https%3A%2F%2Fgraph.microsoft.com";
const METADATA: [(&str, &str); 1] = [("Metadata", "true")];

async fn imds(running: &Running, query: &str, headers: &[(&str, &str)]) -> Reply {
    request(running.addr, "GET", &format!("/metadata/identity/oauth2/token?{query}"), headers, b"").await
}

fn claims(answer: &Value) -> Value {
    crate::tokens::claims(answer["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn a_virtual_machine_gets_tokens_of_its_identities_with_numbers_in_strings() {
    let running = start_from(SETTINGS).await;
    let query = format!("api-version=2018-02-01&resource={GRAPH}");
    let answer = imds(&running, &query, &METADATA).await.json();
    let lifetime: i64 = answer["expires_in"].as_str().unwrap().parse().unwrap();
    let ends: i64 = answer["expires_on"].as_str().unwrap().parse().unwrap();
    assert!(lifetime >= 3599 && ends > jiff::Timestamp::now().as_second() + 3500, "{answer}");
    assert_eq!((answer["token_type"].as_str(), answer["refresh_token"].as_str()), (Some("Bearer"), Some("")));
    let of_the_machine = claims(&answer);
    assert_eq!(of_the_machine["appid"], "00000000-0000-0000-0000-00000000aaaa");
    assert_eq!(of_the_machine["roles"], serde_json::json!(["Mail.Send"]));

    let answer = imds(&running, &format!("{query}&client_id={USER_ASSIGNED}"), &METADATA).await.json();
    assert_eq!(claims(&answer)["appid"], USER_ASSIGNED);
    let exchange = "api-version=2018-02-01&resource=https://outlook.office365.com";
    let answer = imds(&running, exchange, &METADATA).await.json();
    assert_eq!(claims(&answer)["roles"], serde_json::json!(["SMTP.SendAsApp"]));
    let rows = running.token_requests();
    assert!(rows.iter().all(|row| row.grant_type.as_deref() == Some("managed_identity")), "{rows:?}");
}

#[tokio::test]
async fn the_metadata_service_refuses_what_is_not_asked_its_way() {
    let running = start_from(SETTINGS).await;
    let good = format!("api-version=2018-02-01&resource={GRAPH}");
    let table: &[Row<'_>] = &[
        (&good, &[], "Required metadata header"),
        (&good, &[("Metadata", "false")], "Required metadata header"),
        // A proxy was between: whoever asked may be somebody else.
        (&good, &[("Metadata", "true"), ("X-Forwarded-For", "127.0.0.1")], "X-Forwarded-For"),
        ("resource=https://graph.microsoft.com", &METADATA, "api-version"),
        ("api-version=2018-02-01", &METADATA, "resource"),
        ("api-version=1999-01-01&resource=https://graph.microsoft.com", &METADATA, "api-version"),
        ("api-version=2018-02-01&resource=https://unknown.test", &METADATA, "AADSTS500011"),
        // An app registration is no identity of the machine.
        (&format!("{good}&client_id={CLIENT}"), &METADATA, "Identity not found"),
    ];
    for (query, headers, words) in table {
        let reply = imds(&running, query, headers).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.text().contains(words), "{query}: {}", reply.text());
    }
    let reply = request(running.addr, "POST", &format!("/metadata/identity/oauth2/token?{good}"), &METADATA, b"").await;
    assert_eq!(reply.status, 405);
}

#[tokio::test]
async fn a_machines_identity_gets_nothing_from_the_token_endpoint() {
    let running = start_from(SETTINGS).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", USER_ASSIGNED),
        ("client_secret", "anything"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    assert_eq!(ask_token(&running, TENANT, &form).await.code(), "7000215");
}

#[tokio::test]
async fn passing_troubles_can_be_ordered() {
    let running = start_from(SETTINGS).await;
    let query = format!("api-version=2018-02-01&resource={GRAPH}");
    for status in [404, 410, 429, 500] {
        running.add_fault(Fault { status: Some(status), ..Fault::new(FaultKind::MachineError) }.retry_after(3.0));
        let reply = imds(&running, &query, &METADATA).await;
        assert_eq!((reply.status, reply.header("retry-after")), (status, Some("3")));
        assert_eq!(imds(&running, &query, &METADATA).await.status, 200);
    }
}

#[tokio::test]
async fn app_service_wants_its_header_and_its_version_and_tells_the_end_alone() {
    let running = start_from(SETTINGS).await;
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        request(running.addr, "GET", &format!("/msi/token?{query}"), headers, b"").await
    };
    let header = [("X-IDENTITY-HEADER", "sandbox-identity-header")];
    let good = format!("api-version=2019-08-01&resource={GRAPH}");
    let answer = ask(&good, &header).await.json();
    assert_eq!(claims(&answer)["appid"], "00000000-0000-0000-0000-00000000aaaa");
    assert!(answer.get("expires_in").is_none() && answer["expires_on"].is_string(), "{answer}");
    assert_eq!(ask(&good, &[]).await.status, 401);
    assert_eq!(ask(&good, &[("X-IDENTITY-HEADER", "guessed")]).await.status, 401);
    assert_eq!(ask(&good.replace("2019-08-01", "2018-02-01"), &header).await.status, 400);
    let reply = ask(&format!("{good}&client_id={CLIENT}"), &header).await;
    assert_eq!(reply.json()["statusCode"], 400);
}

#[tokio::test]
async fn azure_arc_lets_in_who_reads_the_file_it_names_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{SETTINGS}\n[machine]\narc_key_folder = {:?}\n", folder.path());
    let running = start_from(&settings).await;
    let target = format!("/arc/metadata/identity/oauth2/token?api-version=2020-06-01&resource={GRAPH}");
    let ask = async |headers: &[(&str, &str)]| request(running.addr, "GET", &target, headers, b"").await;
    assert_eq!(ask(&[]).await.status, 400);
    let challenge = ask(&METADATA).await;
    assert_eq!(challenge.status, 401);
    let path = challenge.header("www-authenticate").unwrap().strip_prefix("Basic realm=").unwrap().to_owned();
    assert!(std::path::Path::new(&path).parent() == Some(folder.path()), "{path}");
    assert_eq!(std::path::Path::new(&path).extension().unwrap(), "key");
    let proof = format!("Basic {}", std::fs::read_to_string(&path).unwrap());
    let with_proof = [("Metadata", "true"), ("Authorization", &proof)];
    assert_eq!(ask(&with_proof).await.status, 200);
    assert_eq!(ask(&with_proof).await.status, 401, "a second time");
    assert!(!std::path::Path::new(&path).exists());
    assert_eq!(ask(&[("Metadata", "true"), ("Authorization", "Basic guessed")]).await.status, 401);
}
