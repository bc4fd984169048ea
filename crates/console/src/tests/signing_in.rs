//! Signing in from the outside: set-up, throttling, the second factor.

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use settings::Role;
use totp_rs::{Builder, Secret, Totp};

use super::browser::{Answer, Browser};
use super::words::words;
use super::world::{PASSWORD, Reached, World};

#[tokio::test]
async fn setting_up_works_once_and_only_with_the_token() {
    let world = World::empty(Reached::Plainly);
    let mut browser = world.anonymous();
    assert_eq!(browser.get("/sign-in").await.location(), "/setup");
    let page = browser.get("/setup").await;
    assert!(words(&page.body).contains("Set-up token"), "{}", words(&page.body));
    let token = world.console.config.setup.read().unwrap().expose_secret().to_owned();
    assert!(!page.body.contains(&token));
    let form = |token: &str, password: &str| {
        [("token", token), ("name", "anna"), ("password", password)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (token, password) in [("", PASSWORD), ("wrong", PASSWORD), (&*token, "short")] {
        let form = form(token, password);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(browser.post("/setup", &form).await.status, 422, "{token} {password}");
    }
    let form = form(&token, PASSWORD);
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    let answer = browser.post("/setup", &form).await;
    assert_eq!(answer.location(), "/welcome");
    assert_eq!(browser.get("/welcome").await.status, 200, "signed in");
    assert_eq!(world.anonymous().post("/setup", &form).await.status, 422, "not twice");
    assert_eq!(world.anonymous().get("/setup").await.location(), "/");
    assert!(world.console.config.setup.read().is_none());
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_in_words() {
    let world = World::new().await;
    let mut last = None;
    for _ in 0..30 {
        let answer = world.anonymous().post("/sign-in", &[("name", "anna"), ("password", "guessed it")]).await;
        let is_over = answer.status == 429;
        last = Some(answer);
        if is_over {
            break;
        }
    }
    let answer = last.unwrap();
    assert_eq!(answer.status, 429);
    assert!(words(&answer.body).contains("Too many failed sign-ins: try again in"), "{}", words(&answer.body));
    assert!(!answer.body.contains("guessed it"));
}

#[tokio::test]
async fn a_wrong_password_a_wrong_name_and_a_disabled_user_look_the_same() {
    let world = World::new().await;
    world.signed_in(Role::Administrator).await.post("/administration/users/user-otto/disable", &[]).await;
    let mut seen = Vec::new();
    for (name, password) in [("anna", "not the password"), ("nobody", PASSWORD), ("otto", PASSWORD)] {
        let answer = world.anonymous().post("/sign-in", &[("name", name), ("password", password)]).await;
        seen.push((answer.status.as_u16(), words(&answer.body).replace(name, "NAME")));
    }
    assert_eq!((&seen[0], seen[0].0), (&seen[1], 401));
    assert_eq!(seen[0], seen[2]);
}

fn codes(page: &Answer) -> Totp {
    let begin = page.body.find("id=\"secret\">").unwrap() + "id=\"secret\">".len();
    let secret = Secret::try_from_base32(page.body[begin..].split('<').next().unwrap()).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

fn code(totp: &Totp, at: Timestamp) -> String {
    totp.generate(u64::try_from(at.as_second()).unwrap()).to_string()
}

async fn try_sign_in(world: &World, code: Option<&str>) -> Answer {
    let mut form = vec![("name", "anna"), ("password", PASSWORD)];
    form.extend(code.map(|code| ("code", code)));
    world.anonymous().post("/sign-in", &form).await
}

async fn recovery_codes(anna: &mut Browser, world: &World, totp: &Totp) -> Vec<String> {
    let wrong = anna.post("/profile/second-factor/confirm", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    let page = anna.post("/profile/second-factor/confirm", &[("code", &code(totp, world.now()))]).await;
    assert_eq!(page.status, 200, "{}", words(&page.body));
    let begin = page.body.find("id=\"codes\">").unwrap() + "id=\"codes\">".len();
    page.body[begin..].split('<').next().unwrap().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn with_a_second_factor_the_password_alone_lets_nobody_in() {
    let world = World::new().await;
    let mut anna = world.signed_in(Role::Administrator).await;
    let enrolment = anna.post("/profile/second-factor", &[]).await;
    assert_eq!(super::marked::inline(&enrolment.body), Vec::<String>::new(), "nor does the QR code bring styles");
    let totp = codes(&enrolment);
    let recovery = recovery_codes(&mut anna, &world, &totp).await;
    assert!(recovery.len() >= 8, "{recovery:?}");

    let asked = try_sign_in(&world, None).await;
    assert_eq!(asked.status, 401);
    assert!(words(&asked.body).contains("code of your second factor") && asked.set_cookies().is_empty());
    assert!(!asked.body.contains(PASSWORD), "the password does not come back");
    assert_eq!(try_sign_in(&world, Some("000000")).await.status, 401);
    world.pass(jiff::SignedDuration::from_secs(60));
    let good = code(&totp, world.now());
    assert_eq!(try_sign_in(&world, Some(&good)).await.location(), "/");
    assert_eq!(try_sign_in(&world, Some(&good)).await.status, 401, "a code is good once");
    assert_eq!(try_sign_in(&world, Some(&recovery[0])).await.location(), "/");
    assert_eq!(try_sign_in(&world, Some(&recovery[0])).await.status, 401, "so is a recovery code");

    let confirmed = anna.post("/confirm", &[("password", PASSWORD), ("next", "/profile")]).await;
    assert_eq!(confirmed.status, 401, "confirming asks for the code too");
    let answer = anna.post("/profile/second-factor/remove", &[]).await;
    assert_eq!(answer.location(), "/profile?done=second-factor-off");
    assert_eq!(try_sign_in(&world, None).await.location(), "/");
}
