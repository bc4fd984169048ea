"""What the sandbox says of Microsoft's service, as questions that can be asked of both.

Each question is a function that asks one account and gives what was seen: a dict of plain values, without names, times or ids, so that two
accounts can be compared. A question that the account's permissions do not reach gives `None`.
"""

import base64
import json
import uuid

from . import smtp
from .http import call

QUESTIONS = {}


def question(function):
    QUESTIONS[function.__name__] = function
    return function


def mime(account, subject, header="", body="Sent by Postern's live suite.\r\n", to=None):
    return (
        f"From: <{account.mailbox}>\r\nTo: <{to or account.recipient}>\r\nSubject: {subject}\r\n"
        f"Message-ID: <{uuid.uuid4()}@live.postern.test>\r\n{header}\r\n{body}"
    ).encode()


def send_mime(account, message, mailbox=None, **headers):
    headers = {"Content-Type": "text/plain", **headers}
    return account.call_graph("POST", f"{account.user(mailbox)}/sendMail", base64.b64encode(message), headers)


IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


def send_json(account, body, path="sendMail", headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    return account.call_graph("POST", f"{account.user()}/{path}", json.dumps(body).encode(), headers)


def letter(account, **more):
    recipient = [{"emailAddress": {"address": account.recipient}}]
    return {"subject": "Postern live suite", "body": {"contentType": "Text", "content": "x"}, "toRecipients": recipient, **more}


def refusal(answer):
    return {"status": answer.status, "code": answer.code}


def entra_refusal(answer):
    body = answer.json()
    return {"status": answer.status, "error": body.get("error"), "codes": body.get("error_codes"), "fields": sorted(body)}


# ---- tokens


@question
def token_answer(account):
    """A token for the application: 60 to 90 minutes, and the fields of Microsoft's page."""
    answer = account.ask_token()
    body = answer.json()
    lifetime = body.get("expires_in", 0)
    return {"status": answer.status, "fields": sorted(body), "type": body.get("token_type"), "between 1 h and 1.5 h": 3599 <= lifetime <= 5400}


@question
def token_claims(account):
    claims = account.claims
    names = ("aud", "iss", "tid", "appid", "appidacr", "idtyp", "exp", "nbf", "iat", "ver", "oid")
    return {"present": [name for name in names if name in claims], "version": claims.get("ver"), "kind": claims.get("idtyp")}


@question
def token_wrong_secret(account):
    return entra_refusal(account.ask_token(client_secret="this-is-not-the-secret-0123456789"))


@question
def token_without_secret(account):
    return entra_refusal(account.ask_token(client_secret=None))


@question
def token_unknown_application(account):
    return entra_refusal(account.ask_token(client_id=str(uuid.uuid4())))


@question
def token_unknown_tenant(account):
    return entra_refusal(account.ask_token(tenant=str(uuid.uuid4())))


@question
def token_scope_that_is_no_default(account):
    return entra_refusal(account.ask_token(f"{account.graph}/Mail.Send"))


@question
def token_of_two_resources(account):
    return entra_refusal(account.ask_token(f"{account.graph}/.default {account.exchange}/.default"))


@question
def token_unknown_resource(account):
    return entra_refusal(account.ask_token("https://nothing.example/.default"))


# ---- Graph


@question
def graph_without_token(account):
    return refusal(account.call_graph("POST", f"{account.user()}/sendMail", b"x", {"Content-Type": "text/plain"}, token=""))


@question
def graph_token_that_is_none(account):
    return refusal(account.call_graph("POST", f"{account.user()}/sendMail", b"x", {"Content-Type": "text/plain"}, token="abc"))


@question
def mime_accepted(account):
    """202, nothing in the body, and the names support asks for."""
    own = str(uuid.uuid4())
    answer = send_mime(account, mime(account, "live: MIME"), **{"client-request-id": own})
    return {
        "status": answer.status,
        "empty": answer.body == b"",
        "request-id": "request-id" in answer.headers,
        "client-request-id is ours": answer.headers.get("client-request-id") == own,
    }


@question
def mime_base64_in_lines(account):
    wrapped = base64.encodebytes(mime(account, "live: wrapped base64"))
    return refusal(account.call_graph("POST", f"{account.user()}/sendMail", wrapped, {"Content-Type": "text/plain"}))


@question
def mime_path_in_other_letters(account):
    message = base64.b64encode(mime(account, "live: sendmail"))
    return refusal(account.call_graph("POST", f"{account.user()}/sendmail", message, {"Content-Type": "text/plain"}))


@question
def mime_bad_base64(account):
    return refusal(account.call_graph("POST", f"{account.user()}/sendMail", b"this is *not* base64!", {"Content-Type": "text/plain"}))


@question
def mime_without_recipients(account):
    return refusal(send_mime(account, f"From: <{account.mailbox}>\r\nSubject: live: nobody\r\n\r\nx\r\n".encode()))


@question
def mime_recipient_that_is_no_address(account):
    return refusal(send_mime(account, mime(account, "live: bad recipient", to=f"a.@{account.domain}")))


@question
def mime_unknown_mailbox(account):
    ghost = f"nobody-{uuid.uuid4().hex[:12]}@{account.domain}"
    return refusal(send_mime(account, mime(account, "live: ghost"), mailbox=ghost))


@question
def mime_from_somebody_else(account):
    message = mime(account, "live: send as").replace(f"From: <{account.mailbox}>".encode(), f"From: <ghost@{account.domain}>".encode())
    return refusal(send_mime(account, message))


@question
def mime_just_below_the_limit(account):
    """A message whose base64 nearly fills 4 MiB."""
    return refusal(send_mime(account, mime(account, "live: below the limit", body=("x" * 76 + "\r\n") * 40_000)))


@question
def mime_beyond_the_limit(account):
    return refusal(send_mime(account, mime(account, "live: beyond the limit", body=("x" * 76 + "\r\n") * 41_500)))


@question
def json_accepted_with_names_in_capitals(account):
    return refusal(send_json(account, {"Message": letter(account), "SaveToSentItems": "false"}))


@question
def json_without_wrapper(account):
    return refusal(send_json(account, letter(account)))


@question
def json_header_without_x(account):
    headers = [{"name": "In-Reply-To", "value": "<a@b>"}]
    return refusal(send_json(account, {"message": letter(account, internetMessageHeaders=headers), "saveToSentItems": False}))


@question
def json_six_headers(account):
    headers = [{"name": f"x-live-{number}", "value": "1"} for number in range(6)]
    return refusal(send_json(account, {"message": letter(account, internetMessageHeaders=headers), "saveToSentItems": False}))


@question
def draft_without_the_permission(account):
    if account.may("Mail.ReadWrite"):
        return None
    return refusal(send_json(account, letter(account), "messages"))


@question
def draft_and_upload(account):
    """An immutable draft, an upload session that is too small, one that is not, a token where none belongs, ranges out of order."""
    if not account.may("Mail.ReadWrite"):
        return None
    made = send_json(account, letter(account), "messages", IMMUTABLE)
    seen = {"draft": made.status, "isDraft": made.json().get("isDraft")}
    draft = f"messages/{made.json()['id']}"

    def session(size):
        item = {"attachmentType": "file", "name": "live.bin", "size": size}
        return send_json(account, {"AttachmentItem": item}, f"{draft}/attachments/createUploadSession", IMMUTABLE)

    small = session(100_000)
    seen["small session"] = [small.status, small.code]
    large = session(4_000_000)
    seen["session"], seen["first range"] = large.status, large.json().get("nextExpectedRanges")
    url = large.json().get("uploadUrl", "")
    seen["upload on another origin"] = bool(url) and not url.startswith(account.graph)
    seen["early range"] = put(account, url, 1_000_000, 4_000_000)
    seen["range"] = put(account, url, 0, 4_000_000)
    seen["with a token"] = put(account, url, 1_000_000, 4_000_000, {"Authorization": f"Bearer {account.token}"})
    seen["deleted"] = account.call_graph("DELETE", f"{account.user()}/{draft}", headers=IMMUTABLE).status
    return seen


def put(account, url, first, total, headers=None):
    part = b"\0" * 1_000_000
    span = f"bytes {first}-{first + len(part) - 1}/{total}"
    headers = {"Content-Range": span, "Content-Type": "application/octet-stream", **(headers or {})}
    return call("PUT", url, part, headers, ca=account.ca).status


# ---- SMTP


@question
def smtp_greeting_and_extensions(account):
    return smtp.extensions(account)


@question
def smtp_mail_before_authentication(account):
    return smtp.mail_without_authentication(account)


@question
def smtp_token_that_is_none(account):
    return smtp.sign_in(account, "abc")


@question
def smtp_token(account):
    """What a token of the application opens, if it has the permission."""
    return smtp.sign_in(account, account.exchange_token)
