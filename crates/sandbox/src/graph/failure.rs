//! Graph's refusals: status, code and text, each a named constructor, and a table of codes for ordered faults.

use std::borrow::Cow;

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<f64>,
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
    /// Answered as HTML, the way a load balancer does.
    pub(crate) is_html: bool,
}

/// Code, status and text of what Graph may answer, for faults that name only the code.
const KNOWN: &[(&str, u16, &str)] = &[
    ("InvalidAuthenticationToken", 401, "Lifetime validation failed, the token is expired."),
    ("UnknownError", 401, ""),
    ("ErrorAccessDenied", 403, "Access is denied. Check credentials and try again."),
    ("ErrorSendAsDenied", 403, SEND_AS_DENIED),
    ("ErrorQuotaExceeded", 403, QUOTA_EXCEEDED),
    ("ErrorAccountSuspend", 403, ACCOUNT_SUSPENDED),
    ("ErrorMessageSubmissionBlocked", 403, "Message submission is blocked for this mailbox."),
    ("ErrorExceededMaxRecipientLimit", 403, "The message has more recipients than the mailbox allows."),
    ("ErrorInvalidUser", 404, "The requested user is invalid."),
    ("MailboxNotEnabledForRESTAPI", 404, MAILBOX_NOT_ENABLED),
    ("ResourceNotFound", 404, "Resource could not be discovered."),
    ("Request_ResourceNotFound", 404, "Resource could not be discovered."),
    ("ErrorItemNotFound", 404, "The specified object was not found in the store."),
    ("ErrorMimeContentInvalidBase64String", 400, BAD_BASE64),
    ("ErrorMimeContentInvalid", 400, BAD_MIME),
    ("ErrorInvalidRecipients", 400, NO_RECIPIENTS),
    ("InvalidInternetMessageHeader", 400, "The internet message header name should start with 'x-' or 'X-'."),
    ("InvalidInternetMessageHeaderCollection", 400, TOO_MANY_HEADERS),
    ("RequestBodyRead", 400, "The request body could not be read."),
    ("UnableToDeserializePostBody", 400, "The request body could not be deserialized."),
    ("ErrorInvalidRequest", 400, "The request is invalid."),
    ("BadRequest", 400, "The maximum request length supported is 4MB."),
    ("ErrorMessageSizeExceeded", 400, MESSAGE_TOO_LARGE),
    ("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", 400, ATTACHMENT_TOO_SMALL),
    ("ErrorAttachmentSizeLimitExceeded", 400, "The attachment is larger than 150 MB."),
    ("uploadSessionNotFound", 404, "The upload session was not found."),
    ("fragmentOverlap", 416, "The range overlaps bytes that were received already."),
    ("fragmentOutOfOrder", 416, "The range does not follow the bytes received so far."),
    ("invalidRange", 400, "The Content-Range header is missing, or does not fit the request or the session."),
    ("RequestEntityTooLarge", 413, "The request entity is too large."),
    ("ApplicationThrottled", 429, CONCURRENCY),
    ("TooManyRequests", 429, "Please retry after"),
    ("activityLimitReached", 429, "Please retry after"),
    (
        "ErrorExceededMessageLimit",
        429,
        "Cannot send mail. Follow the instructions in your Inbox to verify your account.",
    ),
    ("ErrorExceededHourlyMessageLimit", 429, "The hourly message limit of the mailbox is exceeded."),
    ("ErrorSubmissionQuotaExceeded", 429, SUBMISSION_QUOTA),
    ("ErrorInternalServerError", 500, "An internal server error occurred. The operation failed."),
    ("ErrorInternalServerTransientError", 500, "An internal server error occurred. Try again later."),
    ("ErrorTimeoutExpired", 500, "The operation timed out."),
    ("ErrorMailboxMoveInProgress", 503, MAILBOX_MOVING),
    ("ErrorMailboxStoreUnavailable", 503, "The mailbox database is temporarily unavailable."),
    ("ServiceUnavailable", 503, UNAVAILABLE),
    ("ResourceUnhealthy", 503, "Unable to resolve User Id"),
];

const SEND_AS_DENIED: &str = "The user account which was used to submit this request does not have the right to send \
     mail on behalf of the specified sending account., Cannot submit message.";
const QUOTA_EXCEEDED: &str = "The process failed to get the correct properties.";
const ACCOUNT_SUSPENDED: &str = "The account is suspended because it sent unwanted mail.";
const MAILBOX_NOT_ENABLED: &str = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
const BAD_BASE64: &str = "Invalid base64 string for MIME content.";
const BAD_MIME: &str = "The MIME content is invalid or empty.";
const NO_RECIPIENTS: &str =
    "At least one recipient isn't valid., A message can't be sent because it contains no recipients.";
const TOO_MANY_HEADERS: &str = "Maximum number of headers in one message should be less than or equal to 5.";
const MESSAGE_TOO_LARGE: &str = "The message exceeds the maximum supported size.";
const ATTACHMENT_TOO_SMALL: &str =
    "Attachments of less than 3 MB are added by a single POST, not by an upload session.";
const CONCURRENCY: &str = "Application is over its MailboxConcurrency limit.";
const SUBMISSION_QUOTA: &str =
    "The message couldn't be sent because the sender's submission quota was exceeded. Please try again later.";
const MAILBOX_MOVING: &str = "Mailbox move in progress. Try again later., Cannot open mailbox.";
const UNAVAILABLE: &str = "The service is temporarily unavailable. Please try again later.";

impl Failure {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { status, code, message, retry_after: None, challenge: None, is_html: false }
    }

    /// Status and text that belong to `code`; an unknown code is a 400 without text.
    pub(crate) fn known(code: &str) -> Self {
        let entry = KNOWN.iter().find(|(name, ..)| name.eq_ignore_ascii_case(code));
        let (status, message) = entry.map_or((400, ""), |(_, status, message)| (*status, *message));
        Self::new(status, code.to_owned(), message)
    }

    pub(crate) fn with_retry_after(self, seconds: Option<f64>) -> Self {
        Self { retry_after: seconds, ..self }
    }

    pub(crate) fn unauthenticated(message: &'static str) -> Self {
        let challenge = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\"";
        Self { challenge: Some(challenge.to_owned()), ..Self::new(401, "InvalidAuthenticationToken", message) }
    }

    /// A revoked token whose holder understands challenges: `claims` says what to ask for.
    pub(crate) fn claims_challenge(claims: &str) -> Self {
        let message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: \
             TokenIssuedBeforeRevocationTimestamp";
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"{claims}\""
        );
        Self { challenge: Some(challenge), ..Self::new(401, "InvalidAuthenticationToken", message) }
    }

    pub(crate) fn access_denied() -> Self {
        Self::known("ErrorAccessDenied")
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    }

    pub(crate) fn access_policy() -> Self {
        let message =
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.";
        Self::new(403, "ErrorAccessDenied", message)
    }

    pub(crate) fn invalid_user(key: &str) -> Self {
        Self::new(404, "ErrorInvalidUser", format!("The requested user '{key}' is invalid."))
    }

    pub(crate) fn unresolved_recipient(recipient: &str) -> Self {
        let message = format!(
            "At least one recipient is not valid., Recipient '{recipient}' is not resolved. All recipients must be \
             resolved before a message can be submitted."
        );
        Self::new(400, "ErrorInvalidRecipients", message)
    }

    pub(crate) fn too_many_recipients(limit: usize) -> Self {
        let message = format!("The message has more recipients than the mailbox allows ({limit}).");
        Self::new(403, "ErrorExceededMaxRecipientLimit", message)
    }

    pub(crate) fn body_read(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "RequestBodyRead", message)
    }

    pub(crate) fn unavailable_html() -> Self {
        Self { is_html: true, ..Self::new(503, "ServiceUnavailable", "The service is unavailable.") }
    }
}
