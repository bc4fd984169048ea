//! What is around every page: the menu, the name of who is there, and what the last action came to.

use admin::Testing;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use settings::Role;

use crate::assets;
use crate::error::PageError;
use crate::guard::Visitor;

/// The menu, with the words of the field.
const MENU: &[Group] = &[
    Group {
        title: "",
        subtitle: "",
        items: &[
            Item { path: "/", text: "Overview", icon: "overview", role: Role::Viewer },
            Item { path: "/messages", text: "Messages", icon: "messages", role: Role::Viewer },
        ],
    },
    Group {
        title: "Integration",
        subtitle: "Service Connections",
        items: &[
            Item { path: "/integration/connections", text: "Connections", icon: "connections", role: Role::Viewer },
            Item { path: "/integration/services", text: "Services", icon: "services", role: Role::Viewer },
            Item { path: "/integration/tenants", text: "Tenants", icon: "tenants", role: Role::Viewer },
        ],
    },
    Group {
        title: "",
        subtitle: "",
        items: &[
            Item { path: "/integration/routes", text: "Routes", icon: "routes", role: Role::Viewer },
            Item { path: "/integration/accounts", text: "Submission accounts", icon: "accounts", role: Role::Viewer },
        ],
    },
    Group {
        title: "Settings",
        subtitle: "",
        items: &[Item {
            path: "/settings",
            text: "Edit Global System Settings",
            icon: "settings",
            role: Role::Administrator,
        }],
    },
    Group {
        title: "Administration",
        subtitle: "",
        items: &[
            Item { path: "/doctor", text: "Doctor", icon: "doctor", role: Role::Operator },
            Item { path: "/administration/users", text: "Users", icon: "users", role: Role::Administrator },
            Item { path: "/administration/tokens", text: "API tokens", icon: "tokens", role: Role::Administrator },
            Item { path: "/administration/sessions", text: "Sessions", icon: "sessions", role: Role::Administrator },
            Item { path: "/administration/audit", text: "Audit log", icon: "audit", role: Role::Administrator },
        ],
    },
];

struct Group {
    title: &'static str,
    /// Below the title, for the items that belong more closely together.
    subtitle: &'static str,
    items: &'static [Item],
}

struct Item {
    path: &'static str,
    text: &'static str,
    icon: &'static str,
    role: Role,
}

/// One entry as the template shows it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) is_here: bool,
}

#[derive(Debug)]
pub(crate) struct MenuGroup {
    pub(crate) title: &'static str,
    pub(crate) subtitle: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// Every page's template has one, called `frame`.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) menu: Vec<MenuGroup>,
    pub(crate) user: String,
    pub(crate) role: Role,
    pub(crate) csrf: String,
    pub(crate) theme: &'static str,
    pub(crate) done: Option<&'static str>,
    pub(crate) warnings: usize,
    pub(crate) testing: Testing,
}

impl Frame {
    pub(crate) fn new(visitor: &Visitor, title: impl Into<String>) -> Self {
        let role = visitor.actor().role();
        let groups = MENU.iter().map(|group| MenuGroup {
            title: group.title,
            subtitle: group.subtitle,
            entries: group
                .items
                .iter()
                .filter(|item| role >= item.role)
                .map(|item| entry(item, &visitor.path))
                .collect(),
        });
        Self {
            title: title.into(),
            menu: groups.filter(|group| !group.entries.is_empty()).collect(),
            user: visitor.actor().name().to_owned(),
            role,
            csrf: visitor.csrf.clone(),
            theme: visitor.theme,
            done: visitor.done.as_deref().and_then(done_sentence),
            warnings: visitor.warnings,
            testing: visitor.testing.clone(),
        }
    }

    /// For templates: hides what the visitor may not do.
    pub(crate) fn may_operate(&self) -> bool {
        self.role >= Role::Operator
    }

    pub(crate) fn may_administer(&self) -> bool {
        self.role >= Role::Administrator
    }

    #[expect(clippy::unused_self, reason = "templates have a frame, and no other way to call it")]
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }
}

fn entry(item: &Item, path: &str) -> Entry {
    let below = item.path != "/" && path.strip_prefix(item.path).is_some_and(|rest| rest.starts_with('/'));
    Entry { path: item.path, text: item.text, icon: item.icon, is_here: path == item.path || below }
}

/// What an action came to, by the code it left in the address: never text out of the address itself.
fn done_sentence(code: &str) -> Option<&'static str> {
    DONE.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
}

const DONE: &[(&str, &str)] = &[
    ("saved", "Saved. It is in effect now."),
    ("unchanged", "Nothing was changed: it was like that already."),
    ("removed", "Removed."),
    ("signed-in", "Authentication has been set up."),
    ("forgotten", "The sign-in was forgotten."),
    ("confirmed", "Thank you. Please do again what you were about to do."),
    ("ended", "The session was ended."),
    ("password-changed", "The password was changed. Other sessions of this user have ended."),
    ("second-factor-on", "The second factor is on."),
    ("second-factor-off", "The second factor is off."),
    ("test-sent", "The test message is queued. Watch it here."),
    ("resent", "A copy was queued. This is its page."),
    ("retried", "It is due now."),
    ("held", "Held."),
    ("released", "Released."),
    ("cancelled", "Cancelled."),
    ("deleted", "Deleted."),
    ("moved", "The order was changed."),
];

/// A template as a page.
pub(crate) fn page(template: &impl Template) -> Result<Response, PageError> {
    Ok(Html(template.render()?).into_response())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    error: &'a PageError,
}

#[derive(Template)]
#[template(path = "error_open.html")]
struct OpenErrorPage<'a> {
    theme: &'static str,
    error: &'a PageError,
}

#[derive(Template)]
#[template(path = "error_part.html")]
struct ErrorPart<'a> {
    error: &'a PageError,
}

/// An error in the frame for who is signed in, on a bare page for others.
pub(crate) fn error_page(error: &PageError, frame: Option<Frame>, theme: &'static str, is_part: bool) -> Html<String> {
    let rendered = match (is_part, frame) {
        (true, _) => ErrorPart { error }.render(),
        (false, Some(frame)) => ErrorPage { frame, error }.render(),
        (false, None) => OpenErrorPage { theme, error }.render(),
    };
    Html(rendered.unwrap_or_else(|_| "Something went wrong, and the page that says what could not be made.".to_owned()))
}
