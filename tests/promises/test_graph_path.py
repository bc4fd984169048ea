"""Whatever a sender or mailbox is called, the request to Graph goes to `/v1.0/users/{one segment}/sendMail` and nowhere else."""

import re
from urllib.parse import quote, unquote

import pytest

from stage.dialog import Dialog, queued_id
from stage.gateway import Gateway, setup_toml
from stage.tenant import UNLIMITED, Sandbox, tenant_toml

# All of these are addresses by RFC 5321 and 6531; each would do something else if pasted into a URL.
HOSTILE = {
    "a traversal": "a+b/../../x?y#z@d.test",
    "an encoded slash": "a%2fb@d.test",
    "an encoded traversal": "%2e%2e%2f%2e%2e%2fx@d.test",
    "a query": "a?$filter=b&c=d@d.test",
    "a fragment": "a#b@d.test",
    "a plus": "a+b@d.test",
    "a dollar sign, which Graph reads as an operator": "$a@d.test",
    "a dollar sign and an apostrophe": "$o'brien@d.test",
    "an apostrophe, which ends an OData string": "o'brien@d.test",
    "unicode": "grüße@d.test",
    "braces and a backquote": "{a}`b|c^d@d.test",
}


@pytest.fixture(scope="module")
def by_sender(tmp_path_factory):
    """Every sender's mail goes out of the sender's own mailbox."""
    home = tmp_path_factory.mktemp("paths")
    users = list(HOSTILE.values())
    route = '[[route]]\nname = "Own mailbox"\nsender = "*@d.test"\nservice_connection = "Contoso Graph"\nmailbox = "sender"\n'
    with Sandbox(home / "sandbox", UNLIMITED + tenant_toml(users=users)) as sandbox:
        gateway = Gateway(home / "gateway")
        gateway.apply(setup_toml(sandbox.url, from_policy="keep", more=route))
        gateway.start()
        yield gateway, sandbox
        gateway.tidy()


def one_segment(target):
    """The user key of a sendMail target, which has one of the two forms allowed."""
    parts = target.split("/")
    assert parts[:2] == ["", "v1.0"] and parts[-1] == "sendMail", target
    if len(parts) == 5:
        assert parts[2] == "users", target
        return parts[3]
    # Microsoft's form for a name that begins with a dollar sign.
    quoted = re.fullmatch(r"users\('((?:\$|%24).*)'\)", parts[2])
    assert len(parts) == 4 and quoted, target
    # OData doubles an apostrophe within quotes.
    key = re.sub("%27", "'", quoted[1])
    assert "'" not in key.replace("''", ""), target
    return key.replace("''", "'")


@pytest.mark.parametrize("sender", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_sender_is_one_encoded_segment(sender, by_sender, recipient):
    gateway, sandbox = by_sender
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        extension = "" if sender.isascii() else " SMTPUTF8"
        assert dialog.command(f"MAIL FROM:<{sender}>{extension}")[0] == 250
        assert dialog.command(f"RCPT TO:<{recipient}>")[0] == 250
        assert dialog.command("DATA")[0] == 354
        dialog.send(f"From: <{sender}>\r\nSubject: path\r\n\r\nHello\r\n.\r\n".encode())
        queued_id(dialog.reply())
    delivery = sandbox.wait_for_delivery_to(recipient)
    key = one_segment(delivery["target"])
    assert unquote(key, errors="strict") == sender
    # Nothing that a URL gives a meaning to stands there bare; letter case of the escapes is free.
    assert not set(key) & set("/?#[]\\^`{|}<>\" ") and key.isascii()
    assert delivery["mailbox"] == sender.lower()


@pytest.mark.parametrize("name, mailbox", HOSTILE.items(), ids=HOSTILE.keys())
def test_a_hostile_mailbox_in_the_settings_is_one_encoded_segment(name, mailbox, stage, recipient):
    sandbox = stage.sandbox(UNLIMITED + tenant_toml(users=[mailbox]))
    gateway = stage.gateway(setup_toml(sandbox.url, mailbox=mailbox)).start()
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        queued_id(dialog.message("a@contoso.test", [recipient], b"From: a@contoso.test\r\n\r\nHello\r\n"))
    delivery = sandbox.wait_for_delivery_to(recipient)
    assert unquote(one_segment(delivery["target"])) == mailbox
    assert quote(mailbox, safe="@+$'").count("%") <= delivery["target"].count("%")


@pytest.mark.parametrize("sender", ["a b@d.test", "a@d.test/../x", "a@d.test?x", "a\x00b@d.test", "a\tb@d.test", "<a@d.test", "a@@d.test"])
def test_what_is_no_address_gets_no_further_than_mail_from(sender, by_sender):
    gateway, _ = by_sender
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        assert dialog.command(f"MAIL FROM:<{sender}>")[0] in (500, 501, 553)
        assert dialog.command("RSET")[0] == 250
