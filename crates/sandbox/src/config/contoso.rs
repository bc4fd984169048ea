//! The tenant a sandbox has when its settings name none: ready for use, and with one of everything that can go wrong.

use super::tenant::{App, Password, Secret, SignIn, Tenant, User, UserState};

impl Tenant {
    /// The tenant of [`Config::default`](super::Config): a confidential app with `Mail.Send`, a public one for device
    /// sign-in, a few users, and one for each state a mailbox or a sign-in can be in, named after it. Each user's
    /// password is its name and `-password`.
    pub fn contoso() -> Self {
        let ok = ["noreply", "anna", "ben", "erp", "scanner"].map(|name| User::new(name, UserState::Ok));
        let failing = [
            ("missing", UserState::Missing),
            ("unlicensed", UserState::Unlicensed),
            ("soft-deleted", UserState::SoftDeleted),
            ("on-premises", UserState::OnPremises),
            ("full", UserState::Full),
            ("out-of-scope", UserState::OutOfScope),
            ("blocked", UserState::Blocked),
            ("quota-exceeded", UserState::QuotaExceeded),
            ("moving", UserState::Moving),
        ]
        .map(|(name, state)| User::new(name, state));
        let turned_away = [
            ("disabled", SignIn::Disabled),
            ("conditional-access", SignIn::ConditionalAccess),
            ("mfa-required", SignIn::MfaRequired),
        ]
        .map(|(name, sign_in)| User { sign_in, ..User::new(name, UserState::Ok) });
        let admin = User { admin: true, ..User::new("admin", UserState::Ok) };
        Self {
            id: "11111111-2222-3333-4444-555555555555".to_owned(),
            name: "Contoso".to_owned(),
            domains: vec!["contoso.test".to_owned()],
            user_consent: true,
            smtp_auth_disabled: false,
            apps: vec![App::gateway(), App::device_sign_in()],
            users: ok.into_iter().chain(failing).chain(turned_away).chain([admin]).collect(),
        }
    }
}

impl App {
    fn gateway() -> Self {
        let redirect_uris = ["http://127.0.0.1:8080/oauth/callback", "http://localhost:8080/oauth/callback"];
        Self {
            roles: ["Mail.Send", "SMTP.SendAsApp"].map(str::to_owned).to_vec(),
            redirect_uris: redirect_uris.map(str::to_owned).to_vec(),
            secrets: vec![Secret { value: "sandbox-secret".to_owned(), expires: None }],
            ..Self::registered("66666666-7777-8888-9999-000000000000", "Mail gateway")
        }
    }

    fn device_sign_in() -> Self {
        Self {
            allow_public_client: true,
            redirect_uris: vec!["http://localhost".to_owned()],
            ..Self::registered("66666666-7777-8888-9999-000000000001", "Device sign-in")
        }
    }

    fn registered(client_id: &str, name: &str) -> Self {
        let delegated =
            ["Mail.Send", "Mail.Send.Shared", "SMTP.Send", "offline_access", "openid", "profile", "email", "User.Read"];
        Self {
            client_id: client_id.to_owned(),
            name: name.to_owned(),
            enabled: true,
            roles: Vec::new(),
            admin_consent: true,
            delegated_scopes: delegated.map(str::to_owned).to_vec(),
            redirect_uris: Vec::new(),
            allow_public_client: false,
            group_claims: true,
            rbac_mailboxes: Vec::new(),
            access_policy_mailboxes: None,
            send_as: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            managed_identity: None,
        }
    }
}

impl User {
    fn new(name: &str, state: UserState) -> Self {
        Self {
            upn: format!("{name}@contoso.test"),
            id: None,
            display_name: None,
            aliases: Vec::new(),
            state,
            send_as: Vec::new(),
            send_on_behalf: Vec::new(),
            max_message_bytes: None,
            smtp_auth_disabled: false,
            password: Some(Password(format!("{name}-password"))),
            admin: false,
            groups: Vec::new(),
            sign_in: SignIn::Ok,
        }
    }
}
