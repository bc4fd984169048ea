//! What Exchange Online's replies mean to an administrator: told apart by their sentences, for one code has several.

use entra::Who;
use settings::Service;
use wire::ServerReply;

use super::explain::Scene;

/// What a reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody has to change something; no message can go before.
    Configuration,
    /// Slower.
    Throttled,
    /// Tomorrow.
    Quota,
    /// This message, and only this, cannot go.
    Message,
    /// The sender's address: the mailbox's own is a matter of configuration, another one the message's.
    SendAs,
}

/// A reply that is known.
#[derive(Debug)]
pub(super) struct Known {
    /// Subject and detail of the enhanced status code; `None`: the sentence is enough.
    status: Option<(u16, u16)>,
    /// In the reply's text, in lower case. Empty: the code is enough.
    sentence: &'static str,
    class: Class,
    pub(super) why: &'static str,
    pub(super) fix: &'static str,
    pub(super) who: Who,
}

impl Known {
    pub(super) fn class(&self, scene: &Scene<'_>) -> Class {
        match self.class {
            Class::SendAs if scene.sends_as_mailbox => Class::Configuration,
            Class::SendAs => Class::Message,
            class => class,
        }
    }

    fn is(&self, reply: &ServerReply, text: &str) -> bool {
        let status = reply.status.map(|status| (status.subject, status.detail));
        self.status.is_none_or(|wanted| status == Some(wanted)) && text.contains(self.sentence)
    }
}

/// The row that knows `reply`, if the server is Exchange Online. The first one wins: sentences before bare codes.
pub(super) fn recognise(reply: &ServerReply, scene: &Scene<'_>) -> Option<&'static Known> {
    if scene.service != Service::Exchange && !scene.host.to_ascii_lowercase().contains(".office365.") {
        return None;
    }
    let text = reply.text().to_ascii_lowercase();
    KNOWN.iter().find(|known| known.is(reply, &text))
}

const fn row(
    status: Option<(u16, u16)>,
    sentence: &'static str,
    (class, who): (Class, Who),
    why: &'static str,
    fix: &'static str,
) -> Known {
    Known { status, sentence, class, why, fix, who }
}

const EXCHANGE: (Class, Who) = (Class::Configuration, Who::ExchangeAdministrator);
const ENTRA: (Class, Who) = (Class::Configuration, Who::EntraAdministrator);
const SLOWER: (Class, Who) = (Class::Throttled, Who::Nobody);
const USED_UP: (Class, Who) = (Class::Quota, Who::ExchangeAdministrator);

static KNOWN: [Known; 24] = [
    row(
        Some((7, 139)),
        "disabled for the tenant",
        EXCHANGE,
        "SMTP AUTH is switched off for the whole organisation, which also holds for OAuth 2.0.",
        "Set-TransportConfig -SmtpClientAuthenticationDisabled $false, or for this mailbox alone: Set-CASMailbox MAILBOX \
         -SmtpClientAuthenticationDisabled $false. It takes some minutes. Or use 'Microsoft Entra ID Graph API'.",
    ),
    row(
        Some((7, 139)),
        "disabled for the mailbox",
        EXCHANGE,
        "SMTP AUTH is switched off for this mailbox.",
        "Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false. It takes some minutes.",
    ),
    row(
        Some((7, 139)),
        "basic authentication is disabled",
        EXCHANGE,
        "An authentication policy or Microsoft's retirement of passwords forbids basic authentication.",
        "Use the service 'Microsoft Entra ID Exchange' or 'Microsoft Entra ID Graph API', which need no password.",
    ),
    row(
        Some((7, 139)),
        "did not meet the criteria",
        ENTRA,
        "A Conditional Access policy or an authentication policy forbids this sign-in.",
        "Look at the sign-in log of the user in the Entra admin center; it names the policy. Exclude this application.",
    ),
    row(
        Some((7, 139)),
        "security defaults",
        ENTRA,
        "The organisation's security defaults forbid SMTP AUTH with a password.",
        "Use the service 'Microsoft Entra ID Exchange' or 'Microsoft Entra ID Graph API', which need no password.",
    ),
    row(
        Some((7, 139)),
        "credentials were incorrect",
        (Class::Configuration, Who::GatewayAdministrator),
        "User name or password is wrong.",
        "Enter them again in the Service Connection.",
    ),
    row(
        Some((7, 139)),
        "",
        EXCHANGE,
        "A policy of the organisation forbids this sign-in.",
        "Look at the sign-in log of the user in the Entra admin center, and at the mailbox's SMTP AUTH switch.",
    ),
    row(
        Some((7, 30)),
        "",
        EXCHANGE,
        "Microsoft has retired passwords for submission by SMTP.",
        "Use the service 'Microsoft Entra ID Exchange' or 'Microsoft Entra ID Graph API', which need no password.",
    ),
    row(
        Some((7, 3)),
        "",
        EXCHANGE,
        "The token is good, but not for this mailbox: the application permission SMTP.SendAsApp or its consent is missing, \
         the application is not registered in Exchange, it may not open the mailbox, or the mailbox's name is wrong.",
        "Grant SMTP.SendAsApp of 'Office 365 Exchange Online' with admin consent; then New-ServicePrincipal with the \
         application's ids, and Add-MailboxPermission MAILBOX -User SERVICE-PRINCIPAL -AccessRights FullAccess. Use the \
         Object ID shown under Enterprise applications.",
    ),
    row(
        Some((7, 57)),
        "",
        EXCHANGE,
        "Exchange takes mail of authenticated clients only.",
        "Choose a service or enter a user name that authenticates.",
    ),
    row(
        Some((7, 60)),
        "",
        (Class::SendAs, Who::ExchangeAdministrator),
        "The mailbox has no right to send as this address.",
        "Grant Send As: Add-RecipientPermission ADDRESS -Trustee MAILBOX -AccessRights SendAs. Or set the From policy to \
         'rewrite'.",
    ),
    row(
        None,
        "sendasdenied",
        (Class::SendAs, Who::ExchangeAdministrator),
        "The mailbox has no right to send as the address in From.",
        "Grant Send As: Add-RecipientPermission ADDRESS -Trustee MAILBOX -AccessRights SendAs. Or set the From policy to \
         'rewrite'.",
    ),
    row(
        None,
        "submissionquotaexceeded",
        USED_UP,
        "The mailbox has sent to 10,000 recipients within 24 hours.",
        "Wait, spread the mail over more mailboxes, or use a service made for bulk mail.",
    ),
    row(
        None,
        "shutoffquotaexceeded",
        EXCHANGE,
        "The mailbox is full: every message sent is kept in its Sent Items.",
        "Empty Sent Items, set a retention policy, or enlarge the mailbox.",
    ),
    row(
        Some((2, 2)),
        "mailbox full",
        EXCHANGE,
        "The mailbox is full: every message sent is kept in its Sent Items.",
        "Empty Sent Items, set a retention policy, or enlarge the mailbox.",
    ),
    row(
        None,
        "thread limit exceeded",
        SLOWER,
        "More than three connections were open to one mailbox.",
        "Nothing, if it is rare. Otherwise lower in_flight of the Service Connection, or of other software there.",
    ),
    row(
        None,
        "connection limit exceeded",
        SLOWER,
        "More than three connections were open to one mailbox.",
        "Nothing, if it is rare. Otherwise lower in_flight of the Service Connection, or of other software there.",
    ),
    row(
        Some((1, 8)),
        "",
        EXCHANGE,
        "Microsoft has blocked the mailbox for sending what looked like spam.",
        "Find out what was sent, then release the user in the Defender portal under Restricted entities.",
    ),
    row(
        Some((7, 705)),
        "",
        USED_UP,
        "The organisation has sent more than its share of mail to the outside.",
        "Open a support request with Microsoft if the mail was wanted; find out what was sent if it was not.",
    ),
    row(
        Some((7, 232)),
        "",
        USED_UP,
        "The organisation has sent to as many external recipients as it may within 24 hours.",
        "Wait, or move bulk mail to a service made for it; a trial tenant needs paid licences.",
    ),
    row(
        Some((7, 233)),
        "",
        USED_UP,
        "The organisation has sent to as many external recipients as it may within 24 hours.",
        "Wait, or move bulk mail to a service made for it; a trial tenant needs paid licences.",
    ),
    row(
        Some((7, 236)),
        "",
        USED_UP,
        "The organisation has sent to as many external recipients as it may within 24 hours.",
        "Wait, or move bulk mail to a service made for it; a trial tenant needs paid licences.",
    ),
    row(
        Some((7, 708)),
        "",
        EXCHANGE,
        "Microsoft takes no mail of this organisation, mostly because it is new and has no reputation.",
        "Open a support request with Microsoft in the admin center.",
    ),
    row(
        Some((7, 750)),
        "",
        EXCHANGE,
        "The sender's domain is not registered in the organisation.",
        "Add the domain in the Microsoft 365 admin center, or send from an address of a domain that is.",
    ),
];
