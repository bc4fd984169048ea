//! Signing in with an OpenID provider: the sandbox tenant is one, with its own sign-in and consent pages.

use jiff::Timestamp;
use sandbox::config::Tenant;
use sandbox::{Config, Running, Sandbox};
use settings::Role;

use super::browser::Browser;
use super::words::{Piece, pieces, words};
use super::world::World;

const REDIRECT: &str = "http://postern.test:8080/sign-in/openid/callback";

struct House {
    world: World,
    sandbox: Running,
}

impl House {
    /// A provider whose anna is in the group of the operators, and ben in none.
    async fn new() -> Self {
        let mut tenant = Tenant::contoso();
        tenant.apps[0].group_claims = true;
        tenant.apps[0].redirect_uris.push(REDIRECT.to_owned());
        let anna = tenant.users.iter_mut().find(|user| user.upn == "anna@contoso.test").unwrap();
        anna.groups = vec!["mail-operators".to_owned()];
        let (client_id, issuer) = (tenant.apps[0].client_id.clone(), tenant.id.clone());
        let config = Config { tenants: vec![tenant], ..Config::default() };
        let sandbox = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let world = World::new().await;
        // The provider's tokens are of the machine's time.
        world.pass(Timestamp::now().duration_since(world.now()));
        let form = [
            ("name", "Contoso"),
            ("issuer", &*format!("{}/{issuer}/v2.0", sandbox.base_url)),
            ("client_id", &*client_id),
            ("client_secret", "sandbox-secret"),
            ("groups_claim", "groups"),
            ("groups", "mail-operators = operator"),
        ];
        let answer = world.signed_in(Role::Administrator).await.post("/settings/sign-in", &form).await;
        assert_eq!(answer.location(), "/settings/sign-in?done=saved", "{}", words(&answer.body));
        Self { world, sandbox }
    }

    /// What the person does at the provider; returns where it sends them back to.
    async fn visit(&self, url: &str, name: &str) -> String {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut answer = client.get(url).send().await.unwrap();
        // The sign-in, and the consent.
        for _ in 0..3 {
            if let Some(target) = answer.headers().get("location") {
                let target = target.to_str().unwrap();
                return target.strip_prefix("http://postern.test:8080").expect(target).to_owned();
            }
            let page = answer.text().await.unwrap();
            let (action, mut fields) = form_of(&page);
            for (field, value) in [("username", name), ("password", &*password(name)), ("answer", "accept")] {
                if page.contains(&format!("name=\"{field}\"")) {
                    fields.retain(|(known, _)| known != field);
                    fields.push((field.to_owned(), value.to_owned()));
                }
            }
            let action = url::Url::parse(url).unwrap().join(&action).unwrap();
            answer = client.post(action).form(&fields).send().await.unwrap();
        }
        panic!("the provider asks for ever")
    }

    async fn sign_in(&self, browser: &mut Browser, name: &str) -> super::browser::Answer {
        let away = browser.get("/sign-in/openid").await;
        let back = self.visit(away.location(), name).await;
        browser.get(back).await
    }
}

/// The sandbox gives each user such a password.
fn password(name: &str) -> String {
    format!("{}-password", name.split('@').next().unwrap())
}

fn form_of(page: &str) -> (String, Vec<(String, String)>) {
    let (mut action, mut fields) = (String::new(), Vec::new());
    for piece in pieces(page) {
        let Piece::Start { name, attributes } = piece else { continue };
        let of = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        match name.as_str() {
            "form" => action = of("action"),
            "input" if of("type") == "hidden" => fields.push((of("name"), of("value"))),
            _ => {}
        }
    }
    (action, fields)
}

#[tokio::test]
async fn who_is_in_a_group_signs_in_with_its_role_and_only_in_the_browser_that_went() {
    let house = House::new().await;
    let mut browser = house.world.anonymous();
    assert!(words(&browser.get("/sign-in").await.body).contains("[Sign in with Contoso](/sign-in/openid)"));
    let away = browser.get("/sign-in/openid").await;
    let cookie = away.set_cookies()[0].to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let back = house.visit(away.location(), "anna@contoso.test").await;

    let elsewhere = house.world.anonymous().get(back.clone()).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.set_cookies().len()), (400, 0), "a link for a victim");
    let mut replayed = browser.clone();
    assert_eq!(browser.get(back.clone()).await.location(), "/");
    assert_eq!(replayed.get(back).await.status, 400, "once");

    let profile = words(&browser.get("/profile").await.body);
    assert!(profile.contains("Role: operator") && profile.contains(&house.sandbox.base_url), "{profile}");
    assert_eq!(browser.get("/administration/users").await.status, 403);
    house.sandbox.shutdown().await;
}

#[tokio::test]
async fn who_is_in_no_group_stays_outside() {
    let house = House::new().await;
    let mut browser = house.world.anonymous();
    let answer = house.sign_in(&mut browser, "ben@contoso.test").await;
    assert_eq!(answer.status, 403, "{}", words(&answer.body));
    assert!(browser.cookie("postern-session").is_none());
    house.sandbox.shutdown().await;
}

#[tokio::test]
async fn a_user_of_the_provider_is_led_there_to_confirm_and_it_must_say_when_they_signed_in() {
    let house = House::new().await;
    let mut browser = house.world.anonymous();
    house.sign_in(&mut browser, "anna@contoso.test").await;
    let first = browser.cookie("postern-session").unwrap().to_owned();
    browser.learn("/profile").await;
    // Not a redirect: the policy of our pages lets no form end at another host.
    let away = browser.post("/confirm", &[("next", "/profile")]).await;
    assert_eq!(away.status, 200);
    let link = pieces(&away.body).into_iter().find_map(|piece| match piece {
        Piece::Start { attributes, .. } => attributes.get("href").filter(|href| href.starts_with("http")).cloned(),
        _ => None,
    });
    let link = link.unwrap();
    assert!(link.starts_with(&house.sandbox.base_url) && away.body.contains("http-equiv=\"refresh\""));
    let back = house.visit(&link, "anna@contoso.test").await;
    // As Entra ID without the optional claim auth_time: that somebody came back proves nothing about when they signed in.
    let answer = browser.get(back).await;
    assert_eq!(answer.status, 502);
    assert!(words(&answer.body).contains("it does not say when the person signed in"), "{}", words(&answer.body));
    assert_eq!(browser.cookie("postern-session"), Some(&*first));
    house.sandbox.shutdown().await;
}
