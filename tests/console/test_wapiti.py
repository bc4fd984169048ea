"""An outside scanner, signed in as an administrator, finds nothing in the console."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from stage.administrator import NAME, PASSWORD
from stage.gateway import Gateway, setup_toml
from stage.process import REPOSITORY

WAPITI = REPOSITORY / ".tools" / "wapiti" / "bin" / "wapiti"
LOOPBACK_ONLY = REPOSITORY / "tests" / "stage" / "loopback"
# All that attack what they find; not those that load lists from elsewhere or wait for a call at a host of wapiti's, nor the one
# for LDAP, which takes every filter that shows all rows for one.
MODULES = "cookieflags,csp,http_headers,csrf,crlf,exec,file,permanentxss,redirect,sql,upload,xss,methods,htaccess,backup"
# What would end the scanner's own session, take the role it came with, or never ends.
LEFT_OUT = ["/sign-out", "/profile/end-other-sessions", "/profile/password*", "/sessions/*", "/administration/users/*", "/events", "/assets/*"]
CRAWL_SECONDS, ATTACK_SECONDS = 100, 15
# A discard port: every upstream refuses, so that the gateway asks nobody either.
NOBODY = "http://127.0.0.1:9"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def session_cookie(url):
    form = urllib.parse.urlencode({"name": NAME, "password": PASSWORD}).encode()
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(_NoRedirect).open(url + "/sign-in", form)
    assert answer.value.code == 303
    return answer.value.headers["Set-Cookie"].split(";")[0]


def scan(url, cookie, folder):
    report = folder / "report.json"
    command = [WAPITI, "--url", url + "/", "--scope", "folder", "--cookie-value", cookie, "--module", MODULES, "--depth", "4"]
    command += ["--max-scan-time", CRAWL_SECONDS, "--max-attack-time", ATTACK_SECONDS, "--tasks", "4", "--no-bugreport"]
    command += ["--dns-endpoint", "localhost", "--endpoint", NOBODY + "/", "--flush-session", "--store-session", folder / "session"]
    command += ["--store-config", folder / "config", "--format", "json", "--output", report]
    for path in LEFT_OUT:
        command += ["--exclude", url + path]
    environment = {**os.environ, "PYTHONPATH": str(LOOPBACK_ONLY)}
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, timeout=540)
    assert report.exists(), done.stdout + done.stderr
    return json.loads(report.read_text())


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.skipif(not WAPITI.exists(), reason="wapiti is not installed: `make test-all` installs it")
def test_a_scanner_finds_nothing(tmp_path):
    gateway = Gateway(tmp_path / "gateway")
    gateway.apply(setup_toml(NOBODY))
    gateway.run("user", "add", NAME, "--role", "administrator", "--password-stdin", input=PASSWORD + "\n")
    gateway.start()
    try:
        report = scan(gateway.url, session_cookie(gateway.url), tmp_path)
        assert report["infos"]["crawled_pages_nbr"] > 50, "it was not signed in"
        # `additionals` is what is worth knowing, as which methods an address has; `anomalies` are errors of the server.
        found = report["vulnerabilities"] | report["anomalies"]
        assert {kind: items for kind, items in found.items() if items} == {}
        assert gateway.is_alive()
    finally:
        gateway.stop()
