//! Every address once as it is meant: what its page says, or where its action leads.

use axum::http::Method;
use settings::Role;

use super::browser::{Answer, Browser, post};
use super::inputs::request;
use super::words::words;
use super::world::World;
use crate::guard::{Entry, Needs};

/// Pages that say what is on the machine they run on, or have no text.
const WITHOUT_WORDS: [&str; 3] = ["/doctor", "/doctor/findings", "/events"];

fn least_role(entry: &Entry) -> Role {
    match entry.needs {
        Needs::Nothing => Role::Viewer,
        Needs::Role(role) | Needs::FreshSignIn(role) => role,
    }
}

/// What is made anew in every world, by its name.
fn masked(world: &World, text: &str) -> String {
    let ids = world.ids().into_iter().map(|(id, name)| (id, format!("ID-OF-{}", name.replace(' ', "-"))));
    let text = ids.fold(text.to_owned(), |text, (id, name)| text.replace(&id, &name));
    let lines = text.replace(&world.folder.path().display().to_string(), "DATA-FOLDER");
    let lines = lines.lines().map(|line| match line.strip_prefix("Room on the disk: ") {
        Some(_) => "Room on the disk: SOME",
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shown(world: &World, entry: &Entry, answer: &Answer) -> String {
    let mut lines = vec![format!("{} {} → {}", entry.method, entry.path, answer.status.as_u16())];
    if !answer.location().is_empty() {
        lines.push(format!("→ {}", answer.location()));
    }
    let kind = answer.header("content-type");
    let has_words = kind.starts_with("text/html") && !WITHOUT_WORDS.contains(&entry.path);
    if !kind.is_empty() && !kind.starts_with("text/html") {
        lines.push(format!("{kind} {}", answer.header("content-disposition")));
    }
    if has_words {
        lines.push(words(&answer.body));
    }
    masked(world, &lines.join("\n"))
}

#[tokio::test]
async fn every_page_shows_what_it_is_for() {
    for entry in World::empty(super::world::Reached::Plainly).list() {
        if entry.method != Method::GET || entry.needs == Needs::Nothing {
            continue;
        }
        let world = World::new().await;
        if entry.path.ends_with("/certificate.cer") {
            prepare(&world, &mut world.signed_in(Role::Administrator).await, &entry).await;
        }
        let mut visitor = world.signed_in(least_role(&entry)).await;
        let answer = visitor.send(request(&world, &entry)).await;
        let name = entry.path.trim_matches('/').replace(['/', '.'], "_").replace(['{', '}'], "");
        let name = if name.is_empty() { "overview".to_owned() } else { name };
        insta::assert_snapshot!(format!("page_{name}"), shown(&world, &entry, &answer));
    }
}

#[tokio::test]
async fn the_menu_offers_each_role_what_it_may_open() {
    let world = World::new().await;
    for role in Role::ALL {
        let answer = world.signed_in(role).await.get("/profile").await;
        let begin = answer.body.find("<nav id=\"menu\"").unwrap();
        let menu = answer.body[begin..].split("</nav>").next().unwrap();
        insta::assert_snapshot!(format!("menu_{}", role.name()), words(menu));
    }
}

/// What has to be done before an action has something to do.
async fn prepare(world: &World, visitor: &mut Browser, entry: &Entry) {
    let contoso = format!("/integration/tenants/{}", world.id("Contoso"));
    let first: &[&str] = match entry.path {
        "/integration/tenants/{id}/certificate/activate"
        | "/integration/tenants/{id}/certificate/discard"
        | "/integration/tenants/{id}/certificate.cer" => &["/certificate"],
        "/administration/users/{id}/enable" => &["/administration/users/user-otto/disable"],
        "/integration/connections/{id}/remove" => &["/integration/connections/add"],
        "/settings/sign-in/remove" => &["/settings/sign-in"],
        _ => &[],
    };
    for path in first {
        let known = world.list().into_iter().find(|it| it.path == *path && it.method == Method::POST);
        let asked = match known {
            Some(known) => request(world, &known),
            None if path.starts_with("/administration") => post(*path, &[]),
            None => post(format!("{contoso}{path}"), &[]),
        };
        let csrf = visitor.csrf.clone();
        let answer = visitor.send(asked.field("csrf", &csrf)).await;
        assert!(answer.status.is_redirection() || answer.status.is_success(), "{path}: {}", answer.body);
    }
}

/// Status, target or heading, and what the audit log has of it.
async fn done(entry: &Entry) -> String {
    let world = World::new().await;
    let mut visitor = world.signed_in(least_role(entry)).await;
    let other = world.signed_in_as(if least_role(entry) == Role::Viewer { "vera" } else { "otto" }).await;
    prepare(&world, &mut visitor, entry).await;
    let known = world.store().audit(None, 1).await.unwrap().first().map_or(0, |it| it.number);
    let mut asked = request(&world, entry);
    asked.path = asked.path.replace("0123456789abcdef", &other.session_id(&world));
    let csrf = visitor.csrf.clone();
    let answer = visitor.send(asked.field("csrf", &csrf)).await;
    let audit = world.store().audit(None, 100).await.unwrap();
    let new: Vec<_> = audit.iter().filter(|it| it.number > known).map(|it| it.entry.action.as_str()).collect();
    let words = words(&answer.body);
    let said = words.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_else(|| answer.location());
    let line = format!("{}: {} {said} [{}]", entry.path, answer.status.as_u16(), new.join(", "));
    masked(&world, &without_new_message(line))
}

/// A message that the action made has a new id each time.
fn without_new_message(line: String) -> String {
    let is_known = |id: &str| (1..=4).any(|number| World::message(number).to_string() == id);
    let words = line.split(['/', '?', ' ']).filter(|word| word.len() == 26 && word.parse::<mail::MessageId>().is_ok());
    let new: Vec<String> = words.filter(|id| !is_known(id)).map(str::to_owned).collect();
    new.into_iter().fold(line, |line, id| line.replace(&id, "NEW-MESSAGE"))
}

#[tokio::test]
async fn every_action_does_what_it_is_for_and_leaves_its_trace() {
    let mut lines = Vec::new();
    for entry in World::empty(super::world::Reached::Plainly).list() {
        if entry.method == Method::POST && entry.needs != Needs::Nothing {
            lines.push(done(&entry).await);
        }
    }
    insta::assert_snapshot!("actions", lines.join("\n"));
}
