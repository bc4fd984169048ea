//! What each answer of Graph is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use graph::{FailureClass, GraphError, Who};

use crate::far_side::{FarSide, Reply, answer, answer_bytes};
use crate::tenant::{MESSAGE, Tenant, accept, is_token_request, issue, mail_through, refuse, relay};

const PASSES: FailureClass = FailureClass::Transient { retry_after: None };
const QUOTA: FailureClass = FailureClass::Quota { retry_after: None };

struct Row(&'static str, &'static str, &'static str, FailureClass, Who, &'static str);

/// Status, code, message, class, whose hands, a word of the explanation that only this row has.
const TABLE: &[Row] = {
    use FailureClass::{Configuration, Permanent, TooLarge, Uncertain};
    use Who::{
        Developers, EntraAdministrator as Entra, ExchangeAdministrator as Exchange, GatewayAdministrator as Gateway,
        NetworkAdministrator as Net, Nobody, Sender,
    };
    &[
        Row(
            "401 Unauthorized",
            "InvalidAuthenticationToken",
            "Access token is empty.",
            Configuration,
            Gateway,
            "damage it",
        ),
        Row("401 Unauthorized", "UnknownError", "", Configuration, Entra, "do not fit this call"),
        Row("401 Unauthorized", "SomethingNew", "", Configuration, Entra, "freshly issued"),
        Row(
            "403 Forbidden",
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
            Configuration,
            Entra,
            "RBAC scope leaves",
        ),
        Row(
            "403 Forbidden",
            "ErrorAccessDenied",
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
            Configuration,
            Exchange,
            "access policy",
        ),
        // The older text, and a code in another spelling.
        Row(
            "403 Forbidden",
            "erroraccessdenied",
            "Access to OData is disabled.",
            Configuration,
            Exchange,
            "access policy",
        ),
        Row(
            "403 Forbidden",
            "ErrorSendAsDenied",
            "The user account ... on behalf of the specified sending account., Cannot submit message.",
            Permanent,
            Exchange,
            "Send As right",
        ),
        Row(
            "403 Forbidden",
            "ErrorQuotaExceeded",
            "Cannot save changes made to an item to store.",
            QUOTA,
            Exchange,
            "mailbox is full",
        ),
        Row("403 Forbidden", "ErrorAccountSuspend", "", Configuration, Exchange, "restricted this mailbox"),
        Row(
            "429 Too Many Requests",
            "ErrorMessageSubmissionBlocked",
            "",
            Configuration,
            Exchange,
            "restricted this mailbox",
        ),
        Row("403 Forbidden", "SomethingNew", "", Configuration, Entra, "was forbidden"),
        Row(
            "404 Not Found",
            "ErrorInvalidUser",
            "The requested user 'ghost@contoso.test' is invalid.",
            Configuration,
            Gateway,
            "no such mailbox in this tenant",
        ),
        Row(
            "404 Not Found",
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            Configuration,
            Exchange,
            "licence",
        ),
        Row(
            "404 Not Found",
            "ResourceNotFound",
            "Resource could not be discovered.",
            Configuration,
            Gateway,
            "the cloud is the wrong one",
        ),
        Row("404 Not Found", "Request_ResourceNotFound", "", Configuration, Gateway, "the cloud is the wrong one"),
        Row(
            "404 Not Found",
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
            Permanent,
            Gateway,
            "draft",
        ),
        Row(
            "400 Bad Request",
            "ErrorMimeContentInvalidBase64String",
            "Invalid base64 string for MIME content.",
            Permanent,
            Developers,
            "base64 was damaged",
        ),
        Row("400 Bad Request", "ErrorMimeContentInvalid", "", Permanent, Sender, "MIME structure"),
        Row(
            "400 Bad Request",
            "ErrorInvalidRecipients",
            "At least one recipient is not valid., Recipient 'x.@gmail.test' is not resolved.",
            Permanent,
            Sender,
            "The recipient is x.@gmail.test.",
        ),
        Row("400 Bad Request", "InvalidInternetMessageHeader", "", Permanent, Developers, "form of the request"),
        Row(
            "400 Bad Request",
            "InvalidInternetMessageHeaderCollection",
            "",
            Permanent,
            Developers,
            "form of the request",
        ),
        Row(
            "400 Bad Request",
            "RequestBodyRead",
            "The property 'subject' does not exist",
            Permanent,
            Developers,
            "form of the request",
        ),
        Row("400 Bad Request", "UnableToDeserializePostBody", "", Permanent, Developers, "form of the request"),
        Row("400 Bad Request", "BadRequest", "The maximum request length supported is 4MB.", TooLarge, Gateway, "4 MB"),
        Row("400 Bad Request", "BadRequest", "Maximum request length exceeded.", TooLarge, Gateway, "4 MB"),
        Row("400 Bad Request", "BadRequest", "Something else.", Permanent, Gateway, "no words for"),
        Row("413 Content Too Large", "UnknownError", "", TooLarge, Gateway, "4 MB"),
        Row(
            "413 Content Too Large",
            "ErrorMessageSizeExceeded",
            "The message exceeds the maximum supported size.",
            Permanent,
            Sender,
            "larger than the mailbox may send",
        ),
        Row("400 Bad Request", "ErrorMessageSizeExceeded", "", Permanent, Sender, "larger than the mailbox may send"),
        Row("400 Bad Request", "ErrorAttachmentSizeLimitExceeded", "", Permanent, Sender, "attachment"),
        Row(
            "429 Too Many Requests",
            "ApplicationThrottled",
            "Application is over its MailboxConcurrency limit.",
            PASSES,
            Gateway,
            "at once",
        ),
        Row("429 Too Many Requests", "TooManyRequests", "Please retry after", PASSES, Nobody, "rate of requests"),
        Row("429 Too Many Requests", "activityLimitReached", "", PASSES, Nobody, "rate of requests"),
        Row(
            "429 Too Many Requests",
            "ErrorExceededMessageLimit",
            "Cannot send mail. Follow the instructions in your Inbox.",
            QUOTA,
            Exchange,
            "account verified",
        ),
        Row("403 Forbidden", "ErrorExceededMessageLimit", "", QUOTA, Exchange, "account verified"),
        Row("429 Too Many Requests", "ErrorSubmissionQuotaExceeded", "", QUOTA, Exchange, "10,000 recipients"),
        Row("403 Forbidden", "ErrorExceededHourlyMessageLimit", "", QUOTA, Exchange, "recipients or messages"),
        Row("403 Forbidden", "ErrorExceededMaxRecipientLimit", "", QUOTA, Exchange, "recipients or messages"),
        Row("503 Service Unavailable", "ErrorMailboxMoveInProgress", "", PASSES, Nobody, "being moved"),
        Row("500 Internal Server Error", "ErrorMailboxStoreUnavailable", "", PASSES, Nobody, "being moved"),
        Row("500 Internal Server Error", "ErrorInternalServerError", "", PASSES, Nobody, "passing problem"),
        Row("500 Internal Server Error", "ErrorInternalServerTransientError", "", PASSES, Nobody, "passing problem"),
        Row("500 Internal Server Error", "ErrorTimeoutExpired", "", PASSES, Nobody, "passing problem"),
        Row("503 Service Unavailable", "ResourceUnhealthy", "", PASSES, Nobody, "passing problem"),
        // By then the whole message is behind the gateway that gave up.
        Row("502 Bad Gateway", "UnknownError", "Unable to resolve User Id", Uncertain, Gateway, "gave up waiting"),
        Row("504 Gateway Timeout", "ServiceUnavailable", "", Uncertain, Gateway, "gave up waiting"),
        // A code with its own row does not make a 504 any more certain.
        Row("504 Gateway Timeout", "ErrorMailboxStoreUnavailable", "", Uncertain, Gateway, "gave up waiting"),
        Row("507 Insufficient Storage", "X", "", QUOTA, Exchange, "Storage"),
        Row("509 Bandwidth Limit Exceeded", "X", "", QUOTA, Nobody, "bandwidth"),
        Row("599 New", "X", "", PASSES, Nobody, "no words for"),
        Row("418 I'm a teapot", "X", "", Permanent, Gateway, "no words for"),
        Row("407 Proxy Authentication Required", "", "", Configuration, Net, "proxy wants"),
        Row("302 Found", "", "", Configuration, Net, "redirects"),
    ]
};

async fn error_after(reply: fn() -> Reply) -> GraphError {
    Tenant::answering(vec![reply]).await.send().await.unwrap_err()
}

#[tokio::test]
async fn every_row_of_the_failure_table_has_its_class_and_its_words() {
    let next = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&next);
    let tenant = Tenant::start(move |_| {
        let Row(status, code, message, ..) = TABLE[current.load(Ordering::SeqCst)];
        refuse(status, "", code, message)
    })
    .await;
    for (number, Row(status, code, message, class, who, word)) in TABLE.iter().enumerate() {
        next.store(number, Ordering::SeqCst);
        let error = tenant.send().await.unwrap_err();
        let explanation = error.explanation();
        assert_eq!(error.class(), *class, "{status} {code} {message}");
        assert_eq!(explanation.who, *who, "{status} {code} {message}: {explanation}");
        assert!(explanation.why.contains(word), "{status} {code} {message}: {explanation}");
        assert!(explanation.why.contains("graph-2"), "the request-id is missing: {explanation}");
        assert_eq!(error.request_id(), Some("graph-2"));
        assert_eq!(error.status().map(|s| s.to_string()).as_deref(), status.split(' ').next());
        assert_eq!(error.code(), Some(*code).filter(|code| !code.is_empty()));
    }
}

#[tokio::test]
async fn retry_after_is_read_in_any_case_with_fractions_or_as_a_date() {
    let table: [(fn() -> Reply, Duration); 3] = [
        (|| refuse("429 Too Many Requests", "RETRY-AFTER: 3\r\n", "TooManyRequests", ""), Duration::from_secs(3)),
        (
            || refuse("429 Too Many Requests", "retry-after: 2.128\r\n", "TooManyRequests", ""),
            Duration::from_millis(2128),
        ),
        // Over long ago: at once.
        (
            || refuse("503 Service Unavailable", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "X", ""),
            Duration::ZERO,
        ),
    ];
    for (reply, expected) in table {
        let error = error_after(reply).await;
        assert_eq!(error.class(), FailureClass::Transient { retry_after: Some(expected) }, "{error}");
    }
    let quota =
        error_after(|| refuse("429 Too Many Requests", "Retry-After: 60\r\n", "ErrorSubmissionQuotaExceeded", ""))
            .await;
    // What is asked of the lane does not depend on what became of the message.
    let unknown = error_after(|| answer("504 Gateway Timeout", "Retry-After: 9\r\n", "")).await;
    assert_eq!((unknown.class(), unknown.retry_after()), (FailureClass::Uncertain, Some(Duration::from_secs(9))));
    assert_eq!(quota.class(), FailureClass::Quota { retry_after: Some(Duration::from_mins(1)) });
}

#[tokio::test]
async fn answers_that_are_not_graphs_are_judged_by_their_status() {
    const HTML: &str = "Content-Type: text/html\r\n";
    let table: [(fn() -> Reply, FailureClass); 7] = [
        (|| answer("503 Service Unavailable", HTML, "<html>The service is unavailable.</html>"), PASSES),
        (|| answer("504 Gateway Timeout", HTML, "<html>"), FailureClass::Uncertain),
        (|| answer("413 Content Too Large", HTML, "<html>"), FailureClass::TooLarge),
        // A proxy's page.
        (|| answer("403 Forbidden", HTML, "<html>Blocked by policy</html>"), FailureClass::Configuration),
        // A captive portal: Graph never saw the message.
        (|| answer("200 OK", HTML, "<html>Sign in to the hotel</html>"), PASSES),
        // Without end: read in part.
        (|| answer("500 Internal Server Error", HTML, &"x".repeat(10_000_000)), PASSES),
        (|| answer("400 Bad Request", "", ""), FailureClass::Permanent),
    ];
    for (number, (reply, class)) in table.into_iter().enumerate() {
        assert_eq!(error_after(reply).await.class(), class, "{number}");
    }
}

#[tokio::test]
async fn an_error_page_without_end_is_read_in_part() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let tenant = Tenant::start(move |_| Reply::Endless("500 Internal Server Error", Arc::clone(&counter))).await;
    assert_eq!(tenant.send().await.unwrap_err().class(), PASSES);
    // What fits the buffers of both sockets, and not what ten seconds would bring.
    assert!(written.load(Ordering::SeqCst) < 32 * 1024 * 1024, "{written:?}");
}

#[tokio::test]
async fn a_success_other_than_202_is_none() {
    let graph_says_200 = || answer("200 OK", "request-id: graph-3\r\n", "");
    // Small, and from Graph: documented nowhere.
    let tenant = Tenant::answering(vec![graph_says_200]).await;
    assert_eq!(tenant.send().await.unwrap_err().class(), FailureClass::Uncertain);
    // Large, and from Graph: seen, and nothing was sent.
    let large = Bytes::from(vec![b'x'; 2_300_000]);
    let error = tenant.mail.send_mime(&relay(), &large).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::TooLarge);
    assert!(error.explanation().why.contains("202"), "{}", error.explanation());
}

#[tokio::test]
async fn a_202_is_a_success_whatever_its_body() {
    let nonsense =
        || answer("202 Accepted", "Content-Type: application/json\r\nrequest-id: graph-4\r\n", "{\"error\":");
    let tenant = Tenant::answering(vec![accept, nonsense]).await;
    assert_eq!(tenant.send().await.unwrap().request_id.as_deref(), Some("graph-1"), "an empty body");
    assert_eq!(tenant.send().await.unwrap().request_id.as_deref(), Some("graph-4"), "a body that is no JSON");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut tenant = Tenant::answering(vec![|| answer("303 See Other", "Location: /elsewhere\r\n", ""), accept]).await;
    assert_eq!(tenant.send().await.unwrap_err().class(), FailureClass::Configuration);
    tenant.next().await;
    assert_eq!(tenant.far.waiting(), 0);
}

#[tokio::test]
async fn a_token_refused_twice_stops_the_connection_and_its_claims_tell_why() {
    let mut tenant =
        Tenant::answering(vec![|| refuse("401 Unauthorized", "", "InvalidAuthenticationToken", "Invalid audience.")])
            .await;
    let error = tenant.send().await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Configuration);
    assert_eq!(tenant.tokens_issued(), 2);
    tenant.next().await;
    tenant.next().await;
    assert_eq!(tenant.far.waiting(), 0, "two attempts and no third");
    let shown = format!("{error} {error:?} {}", error.explanation());
    for claim in ["https://wrong.example.test", "tenant-7", "app-8", "User.Read.All"] {
        assert!(error.explanation().why.contains(claim), "{shown}");
    }
    assert!(!shown.contains("eyJ") && !shown.contains("s3cr3t"), "{shown}");
}

#[tokio::test]
async fn a_permission_granted_today_is_noticed_before_the_token_ends() {
    let denied = || refuse("403 Forbidden", "", "ErrorAccessDenied", "Access is denied.");
    let tenant = Tenant::answering(vec![denied, denied, denied, accept]).await;
    tenant.send().await.unwrap_err();
    // Moments later: the same token, or every message would cause a sign-in.
    tenant.send().await.unwrap_err();
    assert_eq!(tenant.tokens_issued(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    tenant.send().await.unwrap_err();
    // The refusal of an old token was reason to ask for a new one.
    tenant.send().await.unwrap();
    assert_eq!(tenant.tokens_issued(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let entra = |status, error, number| {
        let body =
            format!(r#"{{"error":"{error}","error_description":"AADSTS{number}: words","error_codes":[{number}]}}"#);
        answer_bytes(status, "Content-Type: application/json\r\nRetry-After: 7\r\n", &body)
    };
    let table = [
        (entra("401 Unauthorized", "invalid_client", 7_000_222), FailureClass::Configuration),
        (
            entra("429 Too Many Requests", "temporarily_unavailable", 90_055),
            FailureClass::Transient { retry_after: Some(Duration::from_secs(7)) },
        ),
    ];
    for (refusal, class) in table {
        let far =
            FarSide::start(move |seen| if is_token_request(seen) { Reply::Answer(refusal.clone()) } else { accept() })
                .await;
        let mail = mail_through(&far.origin, &far.origin, crate::tenant::client());
        let error = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.token_error().is_some());
        assert_eq!(far.waiting(), 1, "only the request for a token");
    }
}

#[tokio::test]
async fn a_challenge_is_explained() {
    let error = error_after(|| {
        let challenge = "WWW-Authenticate: Bearer realm=\"\", error=\"insufficient_claims\", claims=\"e30=\"\r\n";
        answer("401 Unauthorized", challenge, "")
    })
    .await;
    assert!(error.explanation().why.contains("insufficient_claims"), "{}", error.explanation());
}

#[test]
fn the_stand_in_issues_what_entra_issues() {
    // Guards the tests above: a token whose claims cannot be read would make them pass for the wrong reason.
    assert!(matches!(issue(0), Reply::Answer(_)));
    assert!(entra::Claims::decode(&crate::tenant::token(0)).is_ok());
}
