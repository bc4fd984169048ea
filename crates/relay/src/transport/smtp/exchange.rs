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
    /// This message later; the others have nothing to do with it.
    Later,
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

/// Where Microsoft takes mail: submission in all clouds, high volume e-mail, and the MX hosts that connectors use.
const MICROSOFTS_HOSTS: [&str; 5] = [".office365.com", ".office365.us", ".outlook.com", ".outlook.cn", ".mx.microsoft"];

/// The row that knows `reply`, if the server is Exchange Online. The first one wins: sentences before bare codes.
pub(super) fn recognise(reply: &ServerReply, scene: &Scene<'_>) -> Option<&'static Known> {
    let host = scene.host.to_ascii_lowercase();
    if scene.service != Service::Exchange && !MICROSOFTS_HOSTS.iter().any(|domain| host.ends_with(domain)) {
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
const LATER: (Class, Who) = (Class::Later, Who::Nobody);
const GATEWAY: (Class, Who) = (Class::Configuration, Who::GatewayAdministrator);
const SENDER: (Class, Who) = (Class::SendAs, Who::ExchangeAdministrator);
const USED_UP: (Class, Who) = (Class::Quota, Who::ExchangeAdministrator);

pub(super) static KNOWN: [Known; 38] = [
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
        GATEWAY,
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
        SENDER,
        "The mailbox has no right to send as this address.",
        "Grant Send As: Add-RecipientPermission ADDRESS -Trustee MAILBOX -AccessRights SendAs. Or set the From policy to \
         'rewrite'.",
    ),
    row(
        None,
        "sendasdenied",
        SENDER,
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
        "submission quota exceeded",
        USED_UP,
        "The mailbox has sent to 10,000 recipients within 24 hours.",
        "Wait, spread the mail over more mailboxes, or use a service made for bulk mail.",
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
        "recipient thread limit exceeded",
        LATER,
        "The recipient's mailbox takes no more mail at this moment.",
        "Nothing: it is tried again by itself.",
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
    row(
        Some((6, 11)),
        "",
        (Class::Message, Who::GatewayAdministrator),
        "A line of the message ended in a bare line feed when it arrived. Postern sends none, so something between changed it.",
        "Look for a proxy or a filter that reads the session, and take it out of the way.",
    ),
    row(
        Some((5, 3)),
        "",
        LATER,
        "The message has more recipients than Exchange takes at once.",
        "Nothing: the others are sent another copy.",
    ),
    row(
        None,
        "invalid xoauth2 argument",
        GATEWAY,
        "Exchange did not understand who signs in: the mailbox's name is no address it knows how to read.",
        "Enter the mailbox's primary address as the mailbox of the route or the Emails settings.",
    ),
    row(
        Some((7, 142)),
        "",
        SLOWER,
        "The token ends too soon for high volume e-mail, which wants twenty minutes more.",
        "Nothing: a new token is asked for by itself.",
    ),
    row(
        Some((7, 143)),
        "",
        SLOWER,
        "The token has ended.",
        "Nothing: a new token is asked for by itself. If it stays so, set the clock of this machine.",
    ),
    row(
        Some((7, 144)),
        "",
        ENTRA,
        "The token lacks the permission that high volume e-mail asks for.",
        "Grant the application permission Mail.Send of 'Office 365 Exchange Online' with admin consent.",
    ),
    row(
        Some((7, 240)),
        "",
        EXCHANGE,
        "The application is not let in to high volume e-mail.",
        "Add-HVEAppAccess with the application's id; it takes some minutes.",
    ),
    row(
        Some((2, 240)),
        "",
        EXCHANGE,
        "The mailbox is no account of high volume e-mail.",
        "Use an account made for it, or smtp.office365.com as the server.",
    ),
    row(
        Some((7, 62)),
        "",
        SENDER,
        "High volume e-mail takes mail from the account's own address alone.",
        "Set the From policy to 'rewrite', and let the account be the mailbox.",
    ),
    row(
        Some((6, 241)),
        "",
        SENDER,
        "High volume e-mail takes mail from the account's own address alone.",
        "Set the From policy to 'rewrite', and let the account be the mailbox.",
    ),
    row(
        Some((7, 64)),
        "",
        EXCHANGE,
        "No connector of the organisation knows this machine, so that it may not relay.",
        "Make an inbound connector with this machine's address or certificate, or sign in to smtp.office365.com.",
    ),
    row(
        Some((7, 68)),
        "",
        EXCHANGE,
        "The organisation takes no mail of its own domains from machines that no connector knows.",
        "Make an inbound connector with this machine's address or certificate, or sign in to smtp.office365.com.",
    ),
];
