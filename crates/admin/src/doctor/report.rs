//! Findings as text: for people, and to be copied for support.

use std::fmt::Write as _;

use super::{Check, CheckStatus};

impl Check {
    /// What was looked at, in words.
    pub fn title(&self) -> &'static str {
        match self.name {
            "configuration" => "Configuration file",
            "data_folder" => "Data folder",
            "disk_space" => "Room on the disk",
            "store" => "Queue and settings",
            "emails_settings" => "Emails settings",
            "queue" => "Waiting mail",
            "connection" => "Service Connection",
            "credential_expiry" => "Expiry of the credential",
            "network" => "Way to the service",
            "name_resolution" => "Name resolution",
            "proxy" => "Proxy",
            "tls" => "TLS",
            "sign_in" => "Sign-in",
            "clock" => "Clock",
            "token" => "Access token",
            "token_claims" => "Rights in the token",
            "token_rights" => "Rights the settings need",
            "size_limit" => "Size of messages",
            "mailbox" => "Mailbox",
            "send_as" => "Send As",
            "smtp_session" => "SMTP session",
            "smtp_extensions" => "SMTP extensions",
            "test_message" => "Test message",
            other => other,
        }
    }
}

/// All findings as plain text. A finding never holds a secret, so neither does this.
pub fn report(checks: &[Check]) -> String {
    let mut text = format!("Postern {}\n", env!("CARGO_PKG_VERSION"));
    for check in checks {
        let status = match check.status {
            CheckStatus::Ok => "ok  ",
            CheckStatus::Warn => "warn",
            CheckStatus::Fail => "FAIL",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{status}  {} ({}): {}", check.title(), check.name, check.found);
        if !check.fix.is_empty() {
            let _ = writeln!(text, "      fix: {}", check.fix);
        }
        if !check.who.is_empty() {
            let _ = writeln!(text, "      who: {}", check.who);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_every_finding_with_its_remedy() {
        let checks = [Check::ok("clock", "right"), Check::not_ok("store", CheckStatus::Fail, "full", "Make room.")];
        let text = report(&checks);
        assert!(text.contains("ok    Clock (clock): right\n"), "{text}");
        assert!(text.contains("FAIL  Queue and settings (store): full\n      fix: Make room.\n      who: "), "{text}");
    }
}
