//! What each answer of Graph means: kind, cause, fix, who. One row an answer, first match wins.
//!
//! Promise: every answer other than `202` has a row; the last rows go by status alone.
//!
//! Rows are chosen by status and code. Text is looked at in two rows only, where Microsoft gives one code to two
//! different things, and each says so.

use entra::Who;

use crate::refusal::Refusal;

/// What a row makes of the message; `verdict` adds the waiting time and what is known about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Permanent,
    Configuration,
    Transient,
    Quota,
    TooLarge,
    /// Uncertain if the whole request had gone out, else transient.
    Unknown,
    /// A success that is none.
    StrangeSuccess,
}

/// One kind of answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    statuses: &'static [u16],
    /// Lower case; empty for any.
    codes: &'static [&'static str],
    /// Lower case, part of the message; empty for any.
    text: &'static str,
    pub(crate) kind: Kind,
    pub(crate) cause: &'static str,
    pub(crate) fix: &'static str,
    pub(crate) who: Who,
}

const fn row(
    statuses: &'static [u16],
    codes: &'static [&'static str],
    kind: Kind,
    cause: &'static str,
    fix: &'static str,
    who: Who,
) -> Row {
    Row { statuses, codes, text: "", kind, cause, fix, who }
}

const fn row_with_text(text: &'static str, row: Row) -> Row {
    Row { text, ..row }
}

use Kind::{Configuration, Permanent, Quota, StrangeSuccess, TooLarge, Transient, Unknown};
use Who::{
    Developers, EntraAdministrator, ExchangeAdministrator, GatewayAdministrator, NetworkAdministrator, Nobody, Sender,
};

const ANY: &[u16] = &[];
const NOTHING: &str = "Nothing: it is tried again.";
const OUR_FAULT: &str = "Report it, with the request-id: the gateway must not send such a request.";

static TABLE: &[Row] = &[
    // Who we are: 401 comes here only after a fresh token was refused as well.
    row(
        &[401],
        &["invalidauthenticationtoken"],
        Configuration,
        "Graph does not accept the access token, not even a freshly issued one: it is for another service or cloud, or \
         this machine's or a proxy's changes damage it.",
        "Compare cloud, tenant and the token's audience; check the clock and that no proxy changes the Authorization header.",
        GatewayAdministrator,
    ),
    row(
        &[401],
        &["unknownerror"],
        Configuration,
        "The token is valid, but its permissions do not fit this call.",
        "Grant the application permission Mail.Send with admin consent.",
        EntraAdministrator,
    ),
    row(
        &[401],
        &[],
        Configuration,
        "Graph does not accept the access token, not even a freshly issued one.",
        "Check cloud, tenant, Conditional Access for workloads, and the application's permissions.",
        EntraAdministrator,
    ),
    // What we may.
    // The one code for 'not permitted at all' and 'not permitted for this mailbox'; the text decides words, not the class.
    row_with_text(
        "access to odata is disabled",
        row(
            ANY,
            &["erroraccessdenied"],
            Configuration,
            "An application access policy of Exchange Online keeps this application out of the mailbox.",
            "Put the mailbox into the policy's group, or replace the policy by RBAC for Applications; changes take up to two hours.",
            ExchangeAdministrator,
        ),
    ),
    row(
        ANY,
        &["erroraccessdenied", "accessdenied", "authorization_requestdenied"],
        Configuration,
        "The application may not send from this mailbox: Mail.Send is not granted, or the RBAC scope leaves the mailbox out.",
        "Grant the application permission Mail.Send with admin consent, or extend the management scope; the latter takes up \
         to two hours.",
        EntraAdministrator,
    ),
    row(
        ANY,
        &["errorsendasdenied", "errorsendonbehalfofdenied"],
        Permanent,
        "The message's From is not the mailbox it is sent from, and the mailbox has no Send As right for it.",
        "Grant Send As, route this sender to its own mailbox, or let the gateway rewrite From.",
        ExchangeAdministrator,
    ),
    row(
        ANY,
        &["erroraccountsuspend", "errormessagesubmissionblocked", "erroraccountsuspended"],
        Configuration,
        "Microsoft has restricted this mailbox from sending, as it does after a burst that looks like spam.",
        "Remove it from the restricted entities in the Defender portal, after finding out why.",
        ExchangeAdministrator,
    ),
    // The mailbox.
    row(
        ANY,
        &["errorquotaexceeded"],
        Quota,
        "The sending mailbox is full, so the message cannot be written to Drafts and Sent Items.",
        "Empty the mailbox, enlarge it, or apply a retention policy to Sent Items.",
        ExchangeAdministrator,
    ),
    row(
        ANY,
        &["errorinvaliduser"],
        Configuration,
        "There is no such mailbox in this tenant. An alias is not enough: Graph wants the user principal name or object id.",
        "Correct the Mailbox Email Address, or create the mailbox.",
        GatewayAdministrator,
    ),
    row(
        ANY,
        &["mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi"],
        Configuration,
        "The mailbox has no Exchange Online licence, is deleted, or is still on a local Exchange server.",
        "Assign a licence, restore or migrate the mailbox.",
        ExchangeAdministrator,
    ),
    row(
        &[404],
        &["resourcenotfound", "request_resourcenotfound"],
        Configuration,
        "Graph finds no such mailbox: the tenant has no Exchange Online, or the cloud is the wrong one.",
        "Check the Mailbox Email Address, the tenant's licences and the cloud.",
        GatewayAdministrator,
    ),
    row(
        ANY,
        &["errormailboxmoveinprogress", "errormailboxstoreunavailable", "errormailboxfailover"],
        Transient,
        "The mailbox is being moved, or its store is not available just now.",
        NOTHING,
        Nobody,
    ),
    row(
        ANY,
        &["erroritemnotfound"],
        Permanent,
        "The draft is no longer there.",
        "Send the message again; check that nothing empties the Drafts folder.",
        GatewayAdministrator,
    ),
    // The message.
    row(
        ANY,
        &["errorinvalidrecipients"],
        Permanent,
        "At least one recipient's address is not valid, or there is none; Graph refuses the whole message for it.",
        "Correct the address.",
        Sender,
    ),
    row(
        ANY,
        &["errormessagesizeexceeded"],
        Permanent,
        "The message is larger than the mailbox may send.",
        "Send a smaller message, or raise MaxSendSize of the mailbox (150 MB at most).",
        Sender,
    ),
    row(
        ANY,
        &["errorattachmentsizelimitexceeded"],
        Permanent,
        "An attachment is larger than Exchange Online takes.",
        "Send a link instead.",
        Sender,
    ),
    row(
        ANY,
        &["errormimecontentinvalid"],
        Permanent,
        "Exchange cannot make sense of the message's MIME structure.",
        "Repair the program that makes the message.",
        Sender,
    ),
    row(
        ANY,
        &["errormimecontentinvalidbase64string"],
        Permanent,
        "The request's base64 was damaged.",
        OUR_FAULT,
        Developers,
    ),
    row(
        ANY,
        &[
            "invalidinternetmessageheader",
            "invalidinternetmessageheadercollection",
            "requestbodyread",
            "unabletodeserializepostbody",
            "errorinvalidrequest",
        ],
        Permanent,
        "Graph does not accept the form of the request.",
        OUR_FAULT,
        Developers,
    ),
    // Comes up only for a file whose base64 does not fit one request either.
    row(
        ANY,
        &["errorattachmentsizeshouldnotbelessthanminimumsize"],
        TooLarge,
        "An attachment has just the size, a little under 3 MiB, that is too large for one request and too small for an upload.",
        "Make the file some kilobytes larger or smaller (a zip file will do), or give the route a fallback by SMTP.",
        Sender,
    ),
    // The only sign of a request too large for the JSON gateway: its code, BadRequest, is that of everything else too.
    row_with_text(
        "maximum request length",
        row(
            &[400],
            &[],
            TooLarge,
            "The request is larger than Graph takes at once (4 MB).",
            "Allow large messages on the connection (needs Mail.ReadWrite), or send by SMTP.",
            GatewayAdministrator,
        ),
    ),
    row(
        &[413],
        &[],
        TooLarge,
        "The request is larger than Graph takes at once (4 MB).",
        "Allow large messages on the connection (needs Mail.ReadWrite), or send by SMTP.",
        GatewayAdministrator,
    ),
    // How much.
    row(
        ANY,
        &["errorexceededmessagelimit"],
        Quota,
        "The mailbox has used up its sending limit, or Microsoft wants the account verified.",
        "Look for a notice in the mailbox's Inbox; new tenants and consumer accounts have low limits.",
        ExchangeAdministrator,
    ),
    row(
        ANY,
        &["errorsubmissionquotaexceeded"],
        Quota,
        "The mailbox has reached 10,000 recipients within 24 hours.",
        "Spread the mail over several mailboxes, or use a service made for bulk mail.",
        ExchangeAdministrator,
    ),
    row(
        ANY,
        &["errorexceededmaxrecipientlimit", "errorexceededhourlymessagelimit"],
        Quota,
        "The mailbox has reached a limit on recipients or messages.",
        "Wait, or spread the mail over several mailboxes.",
        ExchangeAdministrator,
    ),
    row(
        &[429],
        &["applicationthrottled"],
        Transient,
        "More requests at once than Graph takes for one mailbox (4): other software uses the same application and mailbox.",
        "Lower the number in flight on the connection, or register an application of the gateway's own.",
        GatewayAdministrator,
    ),
    row(
        &[429],
        &[],
        Transient,
        "Graph limits the rate of requests.",
        "Nothing: the gateway waits as long as Graph asks for.",
        Nobody,
    ),
    row(
        &[507],
        &[],
        Quota,
        "Storage of the mailbox or tenant is used up.",
        "Free or enlarge it.",
        ExchangeAdministrator,
    ),
    row(&[509], &[], Quota, "A bandwidth limit of the tenant is used up.", "Wait.", Nobody),
    // By status alone.
    row(
        &[502, 504],
        &[],
        Unknown,
        "A gateway in front of Exchange gave up waiting; what became of the message is not known there.",
        "Look into Sent Items of the mailbox before sending it again by hand.",
        GatewayAdministrator,
    ),
    row(
        &[500, 501, 503, 505, 506, 508, 510, 511],
        &[],
        Transient,
        "Microsoft Graph has a passing problem.",
        NOTHING,
        Nobody,
    ),
    row(&[408, 409, 423, 424, 425], &[], Transient, "Microsoft Graph has a passing problem.", NOTHING, Nobody),
    row(
        &[407],
        &[],
        Configuration,
        "The proxy wants a name and password, or refuses the given ones.",
        "Correct the proxy's URL.",
        NetworkAdministrator,
    ),
    row(
        &[403, 451],
        &[],
        Configuration,
        "The request was forbidden, by Graph or by a proxy on the way.",
        "Check the application's permissions and the proxy's rules.",
        EntraAdministrator,
    ),
    row(
        &[404, 410],
        &[],
        Configuration,
        "There is nothing at this address of Graph.",
        "Check the cloud, its Graph address and the Mailbox Email Address.",
        GatewayAdministrator,
    ),
];

static STRANGE_SUCCESS: Row = row(
    ANY,
    &[],
    StrangeSuccess,
    "The answer was a success, but not the one that means accepted (202).",
    "If the message is large, allow large messages on the connection. Otherwise see what answers in Graph's place.",
    GatewayAdministrator,
);
static REDIRECT: Row = row(
    ANY,
    &[],
    Configuration,
    "Something redirects the request to another address; Graph never does.",
    "Check the cloud's Graph address and the proxy: a sign-in page of the network answers like this.",
    NetworkAdministrator,
);
static OTHER_REFUSAL: Row = row(
    ANY,
    &[],
    Permanent,
    "Graph refuses this message for a reason this gateway has no words for.",
    "Look the code up in Microsoft's documentation; the request-id lets Microsoft's support find the call.",
    GatewayAdministrator,
);
static OTHER_FAILURE: Row =
    row(ANY, &[], Transient, "Microsoft Graph failed for a reason this gateway has no words for.", NOTHING, Nobody);

/// The row for an answer.
pub(crate) fn find(refusal: &Refusal) -> &'static Row {
    let codes: Vec<String> = refusal.codes().map(str::to_ascii_lowercase).collect();
    let message = refusal.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let matches = |row: &&Row| {
        (row.statuses.is_empty() || row.statuses.contains(&refusal.status))
            && (row.codes.is_empty() || row.codes.iter().any(|known| codes.iter().any(|code| code == known)))
            && message.contains(row.text)
    };
    match refusal.status {
        // A code inside a success or a redirect would be somebody's joke.
        ..=299 => &STRANGE_SUCCESS,
        300..=399 => &REDIRECT,
        // A gateway's 502 or 504 tells nothing about what lies behind it, whatever code it carries.
        502 | 504 => TABLE.iter().find(|row| row.kind == Unknown).unwrap_or(&OTHER_FAILURE),
        status => TABLE.iter().find(matches).unwrap_or(if status < 500 { &OTHER_REFUSAL } else { &OTHER_FAILURE }),
    }
}
