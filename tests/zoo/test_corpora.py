"""Mail as it is found in the wild goes SMTP in, Graph out, and comes out as it went in.

The corpora are the mails that the `mail-parser` crate carries in its package and those of CPython's test suite: malformed ones, mails
within mails, every charset there is. What the sandbox received must equal the input in canonical CRLF form byte for byte, but for the
trace fields in front, the recipient fields, which follow the envelope, and Sender.
"""

import json
import re
import subprocess
from email.utils import getaddresses
from pathlib import Path

import pytest

from stage.dialog import Dialog, queued_id
from stage.gateway import setup_toml
from stage.process import REPOSITORY
from stage.tenant import MAILBOX, UNLIMITED, tenant_toml

# These follow the envelope. Old readers mail the Resent- fields too.
RECIPIENT_FIELD = re.compile(rb"(?:Resent-)?(?:To|Cc|Bcc)[ \t]*:", re.IGNORECASE)
# Exchange sets Sender itself and refuses one that is not the mailbox; it belongs to the From policy.
SENDER_FIELD = re.compile(rb"Sender[ \t]*:", re.IGNORECASE)


def _mail_parser_mails():
    versions = subprocess.run(["rustc", "-vV"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    host = re.search(r"^host: (.*)$", versions, re.MULTILINE)[1]
    command = ["cargo", "metadata", "--format-version", "1", "--filter-platform", host]
    metadata = json.loads(subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout)
    manifest = next(package["manifest_path"] for package in metadata["packages"] if package["name"] == "mail-parser")
    return sorted(Path(manifest).parent.glob("resources/**/*.eml"))


def _python_mails():
    return sorted((REPOSITORY / ".tools/python-testsuite").glob("usr/lib/python3*/test/test_email/data/msg_*.txt"))


def _name(path):
    return "-".join(path.parts[-2:])


MAILS = _mail_parser_mails() + _python_mails()


def canonical(content):
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def fields_and_rest(content):
    """The header's fields with their folded lines, and all that follows them."""
    fields, at = [], 0
    while at < len(content):
        end = content.find(b"\r\n", at) + 2
        line = content[at:end]
        if line == b"\r\n":
            break
        if line[:1] in b" \t" and fields:
            fields[-1] += line
        else:
            fields.append(line)
        at = end
    return fields, content[at:]


def without_addresses(content):
    fields, rest = fields_and_rest(content)
    return b"".join(field for field in fields if not RECIPIENT_FIELD.match(field) and not SENDER_FIELD.match(field)) + rest


def without_trace(content, original):
    """Takes our trace fields off the front: Received always, Date and Message-ID where the original has none."""
    fields, rest = fields_and_rest(content)
    had = {field.partition(b":")[0].strip().lower() for field in fields_and_rest(original)[0]}
    assert fields and fields[0].lower().startswith(b"received:"), content[:200]
    del fields[0]
    for name in (b"date", b"message-id"):
        for field in fields[:2]:
            if name not in had and field.lower().startswith(name + b":"):
                fields.remove(field)
    return b"".join(fields) + rest


def authors(paths):
    """Every address in any From field: the mailbox is allowed to send as all of them."""
    found = set()
    for path in paths:
        text = path.read_bytes().decode("utf-8", "replace")
        unfolded = re.sub(r"\r?\n[ \t]+", " ", text)
        values = re.findall(r"^from[ \t]*:(.*)$", unfolded, re.IGNORECASE | re.MULTILINE)
        found.update(address for _, address in getaddresses(values) if "@" in address)
        # Some authors have no domain, or stand where no parser looks for them.
        found.update("".join(match) for value in values for match in re.findall(r"<([^<>\s]+)>|([^\s<>\"(),;:]+@[^\s<>\"(),;:]+)", value))
    return sorted(found)


@pytest.fixture(scope="module")
def keeping(tmp_path_factory):
    """A gateway that leaves From alone, with a mailbox that may send as everybody in the corpora."""
    from stage.gateway import Gateway
    from stage.tenant import Sandbox

    home = tmp_path_factory.mktemp("corpora")
    with Sandbox(home / "sandbox", UNLIMITED + tenant_toml(send_as=authors(MAILS))) as sandbox:
        gateway = Gateway(home / "gateway")
        gateway.apply(setup_toml(sandbox.url, from_policy="keep"))
        gateway.start()
        yield gateway, sandbox
        gateway.tidy()


def test_the_corpora_are_there():
    assert len(_mail_parser_mails()) > 100
    assert len(_python_mails()) > 40


@pytest.mark.parametrize("path", MAILS, ids=_name)
def test_a_mail_comes_out_as_it_went_in(path, keeping, recipient):
    gateway, sandbox = keeping
    content = path.read_bytes()
    # Most files have LF line ends, which every mailer turns into CRLF. Files that mix line ends go in as they are,
    # through the door for old devices.
    mixed = len(set(re.findall(rb"\r\n|\r|\n", content))) > 1
    door = gateway.doors["normalize" if mixed else "plain"]
    sent = (content if content.endswith(b"\r\n") else content + b"\r\n") if mixed else canonical(content)
    expected = canonical(sent)
    with Dialog(door) as dialog:
        dialog.hello()
        queued_id(dialog.message(MAILBOX, [recipient], sent))

    delivery = sandbox.wait_for_delivery_to(recipient)
    assert gateway.is_alive()
    assert delivery["recipients"] == [recipient]
    arrived = without_addresses(without_trace(sandbox.raw(delivery), expected))
    assert arrived == without_addresses(expected)


@pytest.mark.parametrize("path", MAILS, ids=_name)
def test_an_old_devices_mail_comes_out_with_its_lines_mended(path, keeping, recipient):
    """The same mails with bare LF, and bare CR where the file has them, through `line_endings = "normalize"`."""
    gateway, sandbox = keeping
    content = path.read_bytes().replace(b"\r\n", b"\n")
    with Dialog(gateway.doors["normalize"]) as dialog:
        dialog.hello()
        queued_id(dialog.message(MAILBOX, [recipient], content + b"\r\n"))
    delivery = sandbox.wait_for_delivery_to(recipient)
    arrived = without_addresses(without_trace(sandbox.raw(delivery), canonical(content + b"\r\n")))
    assert arrived == without_addresses(canonical(content + b"\r\n"))
