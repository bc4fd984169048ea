"""Requests nobody thought of, made from `/api/openapi.json`: no call breaks, and none does what it does not say.

schemathesis writes the requests; the gateway is a real one with a real API token, once an administrator's and once a
submission account's. What it creates can reach nothing outside: the gateway's proxy is a closed port.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from stage.gateway import TOKEN
from stage.tenant import Sandbox

from .api_client import SANDBOX, Api

SETTINGS = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def api(tmp_path_factory, authority):
    with Sandbox(tmp_path_factory.mktemp("schemathesis-sandbox"), SANDBOX) as sandbox:
        running = Api(tmp_path_factory.mktemp("schemathesis"), authority, sandbox.url)
        yield running
        assert running.gateway.is_alive(), running.gateway.program.last_words()
        running.gateway.stop()


@pytest.mark.heavy
@pytest.mark.parametrize("who", ["administrator", "account"])
def test_behaviour_and_description_are_the_same(who, api, tmp_path):
    token = TOKEN if who == "account" else api.tokens[who]
    # An administrator hands nothing in, and an account does nothing else.
    hands_in = "--exclude-operation-id" if who == "administrator" else "--include-operation-id"
    only = [hands_in, "submit_message"]
    if who == "account":
        only += ["--include-operation-id", "list_messages", "--include-operation-id", "show_message"]
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={SETTINGS}",
            "run",
            f"{api.url}/api/openapi.json",
            f"--header=Authorization: Bearer {token}",
            *only,
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
