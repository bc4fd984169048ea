"""The live suite itself, pointed at a sandbox in the tenant's place: it finds what differs, and nothing else; and its report names nobody."""

import dataclasses
import os
import subprocess
import uuid

import pytest

from live import account, report, stand_in
from live.facts import QUESTIONS
from stage.process import REPOSITORY

ROLES = ["Mail.Send", "Mail.ReadWrite", "SMTP.SendAsApp"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, authority):
    with stand_in.Sandbox(tmp_path_factory.mktemp("sandbox"), authority, ROLES) as running:
        yield running


def test_two_alike_have_no_differences_and_every_question_is_asked(sandbox):
    result = report.compare(sandbox.account, sandbox.account)
    assert result.failures == [] and result.differences == []
    # With the permission for drafts, what happens without it cannot be asked.
    assert result.skipped == ["draft_without_the_permission"]
    assert set(result.seen) == set(QUESTIONS) - set(result.skipped)


def test_what_differs_is_found_with_both_sides(sandbox, monkeypatch):
    """As if Microsoft had other words for a mailbox that is not there."""
    tenant = dataclasses.replace(sandbox.account, name="tenant")
    plain = QUESTIONS["mime_unknown_mailbox"]
    monkeypatch.setitem(QUESTIONS, "mime_unknown_mailbox", lambda it: {**plain(it), **({"code": "Other"} if it.name == "tenant" else {})})
    result = report.compare(tenant, sandbox.account)
    [difference] = result.differences
    assert difference == {"question": "mime_unknown_mailbox", "what": "code", "tenant": "Other", "sandbox": "ErrorInvalidUser"}
    assert '| mime_unknown_mailbox | code | "Other" | "ErrorInvalidUser" |' in report.as_text(result)


def test_a_question_that_breaks_ends_nothing_and_is_told(sandbox, monkeypatch):
    monkeypatch.setitem(QUESTIONS, "mime_bad_base64", lambda it: 1 / 0)
    result = report.compare(sandbox.account, sandbox.account)
    assert [row["question"] for row in result.failures] == ["mime_bad_base64"]
    assert "ZeroDivisionError" in report.as_text(result)


def test_the_report_names_nobody(sandbox):
    it = sandbox.account
    text = " ".join([it.client_secret, it.mailbox.upper(), it.recipient, it.domain, it.tenant_id, it.client_id, str(uuid.uuid4())])
    assert report.nameless(it, text) == "SECRET MAILBOX RECIPIENT DOMAIN TENANT CLIENT GUID"


def run(environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POSTERN_LIVE_")}
    return subprocess.run([REPOSITORY / "tools" / "test-live"], env={**clean, **environment}, capture_output=True, text=True, timeout=280)


def test_without_credentials_it_says_so_in_one_line_and_ends_well():
    done = run({})
    assert done.returncode == 0
    [line] = (done.stdout + done.stderr).splitlines()
    assert "POSTERN_LIVE_TENANT_ID" in line and "docs/live.md" in line


@pytest.mark.heavy
def test_it_runs_as_a_stranger_would_run_it(sandbox, tmp_path):
    it = sandbox.account
    written = tmp_path / "report.md"
    done = run({
        "POSTERN_LIVE_TENANT_ID": it.tenant_id, "POSTERN_LIVE_CLIENT_ID": it.client_id, "POSTERN_LIVE_CLIENT_SECRET": it.client_secret,
        "POSTERN_LIVE_MAILBOX": it.mailbox, "POSTERN_LIVE_RECIPIENT": it.recipient, "POSTERN_LIVE_LOGIN": it.login,
        "POSTERN_LIVE_GRAPH": it.graph, "POSTERN_LIVE_SMTP": it.smtp, "POSTERN_LIVE_CA": it.ca, "POSTERN_LIVE_REPORT": str(written),
    })
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    text = written.read_text()
    assert " 0 differences." in text and "- large message: sent" in text
    assert it.client_secret not in text and it.domain not in text
