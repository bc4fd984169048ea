"""Questions to the submission server."""

import base64
import re
import smtplib
import ssl


def _session(account):
    host, _, port = account.smtp.partition(":")
    session = smtplib.SMTP(host, int(port or 587), local_hostname="live.postern.test", timeout=60)
    session.ehlo()
    before = sorted(session.esmtp_features)
    session.starttls(context=ssl.create_default_context(cafile=account.ca))
    session.ehlo()
    return session, before


def extensions(account):
    session, before = _session(account)
    with session:
        after = sorted(session.esmtp_features)
        mechanisms = sorted(session.esmtp_features.get("auth", "").upper().split())
    return {"before TLS": before, "after TLS": after, "AUTH": mechanisms}


def mail_without_authentication(account):
    session, _ = _session(account)
    with session:
        return _reply(session.docmd("MAIL", f"FROM:<{account.mailbox}>"))


def sign_in(account, token):
    session, _ = _session(account)
    with session:
        response = base64.b64encode(f"user={account.mailbox}\x01auth=Bearer {token}\x01\x01".encode()).decode()
        code, text = session.docmd("AUTH", "XOAUTH2")
        return _reply(session.docmd(response) if code == 334 else (code, text))


def _reply(reply):
    """Code, enhanced code and the sentence without host, time and ids."""
    code, text = reply
    sentence = re.sub(r"\[.*?\]", "[…]", text.decode(errors="replace")).strip()
    return {"code": code, "text": sentence}
