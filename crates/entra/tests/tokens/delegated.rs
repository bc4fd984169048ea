//! Tokens from a kept grant: rotation, and what ends a grant.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use entra::{
    Credential, DelegatedSignIn, EntraError, Explanation, GrantKeeper, KeepError, Kept, MailScope, Scope, TokenSource,
    Who,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;

use crate::far_side::{FarSide, Reply, answer};
use crate::{application, client, refuse, secret};

const SIGNED_IN_AT: &str = "2026-11-01T00:00:00Z";

/// A keeper in memory that fails or stands still when told to.
#[derive(Debug, Default)]
struct Keeper {
    token: Mutex<Option<String>>,
    obituaries: Mutex<Vec<String>>,
    full: AtomicBool,
    stuck: AtomicBool,
    storing: Notify,
}

impl Keeper {
    fn with(token: &str) -> Arc<Self> {
        Arc::new(Self { token: Mutex::new(Some(token.to_owned())), ..Self::default() })
    }

    fn token(&self) -> String {
        self.token.lock().unwrap().clone().unwrap()
    }

    fn sign_in(&self, token: &str) {
        *self.token.lock().unwrap() = Some(token.to_owned());
    }

    fn deaths(&self) -> usize {
        self.obituaries.lock().unwrap().len()
    }
}

#[async_trait]
impl GrantKeeper for Keeper {
    async fn load(&self) -> Result<Option<Kept>, KeepError> {
        let token = self.token.lock().unwrap().clone();
        Ok(token.map(|token| Kept {
            refresh_token: SecretString::from(token),
            scope: MailScope::default(),
            refreshed_at: SIGNED_IN_AT.parse().unwrap(),
        }))
    }

    async fn store(&self, used: &SecretString, rotated: &SecretString) -> Result<(), KeepError> {
        self.storing.notify_one();
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.full.load(Ordering::SeqCst) {
            let explanation = Explanation::new("The sign-in cannot be stored.", "The disk is full.", "-", Who::Nobody);
            return Err(KeepError { explanation, is_transient: true });
        }
        let mut token = self.token.lock().unwrap();
        assert_eq!(token.as_deref(), Some(used.expose_secret()));
        *token = Some(rotated.expose_secret().to_owned());
        Ok(())
    }

    async fn died(&self, used: &SecretString, error: &EntraError) {
        assert!(error.needs_sign_in());
        self.obituaries.lock().unwrap().push(used.expose_secret().to_owned());
    }
}

fn rotate(access: &str, refresh: &str) -> Reply {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":3600,"scope":"Mail.Send","access_token":"{access}","refresh_token":"{refresh}"}}"#
    );
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}

/// Answers with `T0` and `R1`, then `T1` and `R2`, and so on.
async fn rotating() -> FarSide {
    let count = AtomicUsize::new(0);
    FarSide::start(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        rotate(&format!("T{n}"), &format!("R{}", n + 1))
    })
    .await
}

fn source(origin: &str, keeper: &Arc<Keeper>) -> TokenSource {
    let keeper: Arc<dyn GrantKeeper> = keeper.clone();
    TokenSource::delegated(client(), application(origin, secret()), keeper).unwrap()
}

#[tokio::test]
async fn the_request_is_the_refresh_grant_with_the_applications_proof() {
    let mut far = rotating().await;
    let keeper = Keeper::with("R0");
    assert_eq!(source(&far.origin, &keeper).token().await.unwrap().expose(), "T0");
    let seen = far.next().await;
    assert_eq!(seen.field("grant_type"), "refresh_token");
    assert_eq!(seen.field("refresh_token"), "R0");
    assert_eq!(seen.field("client_secret"), crate::SECRET);
    assert_eq!(seen.field("scope"), format!("{}/Mail.Send offline_access", far.origin));
    assert_eq!(keeper.token(), "R1");
}

#[tokio::test]
async fn a_public_client_sends_no_secret_and_gets_no_token_of_its_own() {
    let mut far = rotating().await;
    let keeper: Arc<dyn GrantKeeper> = Keeper::with("R0");
    let public = application(&far.origin, Credential::PublicClient);
    TokenSource::delegated(client(), public.clone(), keeper).unwrap().token().await.unwrap();
    let form = far.next().await.form();
    assert!(form.iter().all(|(name, _)| name != "client_secret" && name != "client_assertion"), "{form:?}");
    let error = TokenSource::new(client(), public, &Scope::Graph).unwrap_err();
    assert!(!error.is_transient());
    assert!(error.explanation().fix.contains("client secret"), "{}", error.explanation());
    assert_eq!(far.waiting(), 0);
}

#[tokio::test]
async fn many_callers_rotate_the_refresh_token_once() {
    let mut far = rotating().await;
    let keeper = Keeper::with("R0");
    let source = source(&far.origin, &keeper);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { source.token().await.unwrap().expose().to_owned() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "T0");
    }
    far.next().await;
    assert_eq!((far.waiting(), keeper.token().as_str()), (0, "R1"));
}

#[tokio::test]
async fn without_a_place_for_the_new_refresh_token_there_is_no_access_token() {
    let far = rotating().await;
    let keeper = Keeper::with("R0");
    keeper.full.store(true, Ordering::SeqCst);
    let source = source(&far.origin, &keeper);
    let error = source.token().await.unwrap_err();
    assert!(error.is_transient() && !error.needs_sign_in(), "{error}");
    assert_eq!((keeper.token().as_str(), keeper.deaths()), ("R0", 0));
    let shown = format!("{error} {error:?} {}", error.explanation());
    assert!(!shown.contains("R1") && !shown.contains("T0"), "{shown}");
    keeper.full.store(false, Ordering::SeqCst);
    assert_eq!(source.fresh_token().await.unwrap().expose(), "T1");
    assert_eq!(keeper.token(), "R2");
}

#[test]
fn after_a_crash_between_answer_and_storing_the_old_refresh_token_still_works() {
    let keeper = Keeper::with("R0");
    keeper.stuck.store(true, Ordering::SeqCst);
    let first_life = tokio::runtime::Runtime::new().unwrap();
    first_life.block_on(async {
        let far = rotating().await;
        let source = source(&far.origin, &keeper);
        let asking = tokio::spawn(async move { source.token().await.map(drop) });
        keeper.storing.notified().await;
        assert!(!asking.is_finished(), "nobody has the token before it is stored");
    });
    drop(first_life);
    assert_eq!(keeper.token(), "R0");
    keeper.stuck.store(false, Ordering::SeqCst);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut far = rotating().await;
        source(&far.origin, &keeper).token().await.unwrap();
        assert_eq!(far.next().await.field("refresh_token"), "R0");
    });
    assert_eq!(keeper.token(), "R1");
}

#[tokio::test]
async fn a_dead_grant_is_reported_once_and_left_alone_until_somebody_signs_in() {
    for error in ["invalid_grant", "interaction_required", "consent_required"] {
        let count = AtomicUsize::new(0);
        let mut far = FarSide::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => refuse("400 Bad Request", "", error, 1),
            _ => rotate("T9", "R10"),
        })
        .await;
        let keeper = Keeper::with("R0");
        let source = source(&far.origin, &keeper);
        for _ in 0..20 {
            let dead = source.token().await.unwrap_err();
            assert!(dead.needs_sign_in() && !dead.is_transient(), "{dead}");
            assert!(dead.explanation().fix.contains("with Setup Authentication"), "{}", dead.explanation());
            assert!(dead.retry_after().unwrap() > Duration::from_mins(4));
        }
        assert_eq!(keeper.deaths(), 1);
        far.next().await;
        assert_eq!(far.waiting(), 0, "asked again within the back-off");
        keeper.sign_in("S0");
        assert_eq!(source.token().await.unwrap().expose(), "T9");
        assert_eq!(far.next().await.field("refresh_token"), "S0");
    }
}

#[tokio::test]
async fn trouble_that_passes_leaves_the_grant_alone() {
    let troubles: [fn() -> Reply; 4] = [
        || refuse("503 Service Unavailable", "", "temporarily_unavailable", 90_033),
        || refuse("429 Too Many Requests", "", "invalid_grant", 50_196),
        || answer("200 OK", "Content-Type: text/html\r\n", "<html>captive portal</html>"),
        || Reply::Close,
    ];
    for trouble in troubles {
        let far = FarSide::start(move |_| trouble()).await;
        let keeper = Keeper::with("R0");
        let error = source(&far.origin, &keeper).token().await.unwrap_err();
        assert!(error.is_transient() && !error.needs_sign_in(), "{error}");
        assert_eq!((keeper.token().as_str(), keeper.deaths()), ("R0", 0));
    }
    // Nor does it die of a wrong client secret, which is the application's trouble.
    let far = FarSide::start(|_| refuse("401 Unauthorized", "", "invalid_client", 7_000_215)).await;
    let keeper = Keeper::with("R0");
    assert!(!source(&far.origin, &keeper).token().await.unwrap_err().needs_sign_in());
    assert_eq!(keeper.deaths(), 0);
}

#[tokio::test]
async fn before_anybody_signs_in_nothing_is_asked_and_the_first_sign_in_is_noticed() {
    let far = rotating().await;
    let keeper = Arc::new(Keeper::default());
    let source = source(&far.origin, &keeper);
    assert!(source.token().await.unwrap_err().needs_sign_in());
    assert_eq!(far.waiting(), 0);
    keeper.sign_in("R0");
    assert_eq!(source.token().await.unwrap().expose(), "T0");
}

#[tokio::test]
async fn a_new_sign_in_ends_the_use_of_the_old_ones_token_and_a_rotation_does_not() {
    let far = rotating().await;
    let keeper = Keeper::with("R0");
    let source = source(&far.origin, &keeper);
    source.token().await.unwrap();
    assert!(!source.notice_sign_in().await, "R1 came by rotation");
    assert_eq!(source.token().await.unwrap().expose(), "T0");
    keeper.sign_in("S0");
    assert!(source.notice_sign_in().await);
    assert_eq!(source.token().await.unwrap().expose(), "T1");
}

#[tokio::test]
async fn only_an_idle_grant_is_kept_alive() {
    let mut far = rotating().await;
    let keeper = Keeper::with("R0");
    let source = source(&far.origin, &keeper);
    let week = Duration::from_hours(7 * 24);
    let signed_in_at: Timestamp = SIGNED_IN_AT.parse().unwrap();
    assert!(!source.keep_alive(week, signed_in_at + Duration::from_hours(6 * 24)).await.unwrap());
    assert_eq!(far.waiting(), 0);
    assert!(source.keep_alive(week, signed_in_at + week).await.unwrap());
    far.next().await;
    assert_eq!(keeper.token(), "R1");
    let as_application = crate::source(&far.origin);
    assert!(!as_application.keep_alive(week, signed_in_at + week).await.unwrap());
    assert_eq!(far.waiting(), 0);
}

/// Tokens for a day, and challenges to answer, are for those who say that they understand them.
#[tokio::test]
async fn continuous_access_evaluation_is_declared_in_no_request() {
    const DEVICE: &str =
        r#"{"user_code":"A","device_code":"d","verification_uri":"http://127.0.0.1/","expires_in":900,"interval":5}"#;
    let mut far = FarSide::start(|seen| {
        let asks_for_a_code = seen.line.contains("/devicecode ");
        if asks_for_a_code { answer("200 OK", "Content-Type: application/json\r\n", DEVICE) } else { rotate("T", "R1") }
    })
    .await;
    let application = || application(&far.origin, secret());
    let keeper = Keeper::with("R0");
    let sign_in = DelegatedSignIn::new(client(), application(), MailScope::default()).unwrap();
    let redirect_uri = "http://localhost/callback".parse().unwrap();
    TokenSource::new(client(), application(), &Scope::Graph).unwrap().token().await.unwrap();
    source(&far.origin, &keeper).token().await.unwrap();
    let begun = sign_in.begin(&redirect_uri, None);
    sign_in.redeem(&SecretString::from("code"), &redirect_uri, &begun.verifier).await.unwrap();
    let code = sign_in.begin_device().await.unwrap();
    sign_in.poll(&code).await.unwrap();
    assert!(begun.url.query_pairs().all(|(name, _)| name != "claims"), "{}", begun.url);
    let mut grants = Vec::new();
    while far.waiting() > 0 {
        let form = far.next().await.form();
        assert!(form.iter().all(|(name, value)| name != "claims" && !value.contains("cp1")), "{form:?}");
        grants.extend(form.into_iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value));
    }
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(grants, ["client_credentials", "refresh_token", "authorization_code", device]);
}
