//! Settings → Edit Global System Settings. One page with a view for each part; the Emails view is the first.

pub(super) mod emails;
pub(super) mod notices;
pub(super) mod test_message;
pub(super) mod webhooks;

/// A view of the settings page, as a tab that is a link.
pub(super) struct View {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
}

/// All views, in the order of the tabs.
pub(super) const VIEWS: &[View] = &[
    View { path: "/settings", name: "Emails" },
    View { path: "/settings/notices", name: "Notices" },
    View { path: "/settings/webhooks", name: "Webhooks" },
    View { path: "/settings/sign-in", name: "Sign-in" },
];
