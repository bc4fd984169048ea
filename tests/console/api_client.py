"""Who calls the API: nobody, a submission account, programs with tokens of every role, a browser with a session."""

import itertools
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from stage.gateway import TOKEN, Gateway, setup_toml
from stage.tenant import CLIENT_SECRET, TENANT_ID, UNLIMITED, tenant_toml

USER, USER_PASSWORD = "anna", "a quiet harbour at dusk"
ROLES = ("viewer", "operator", "administrator")
# Whatever a test creates by mistake points here: no request leaves the machine.
NOWHERE = '[proxy]\nurl = "http://127.0.0.1:9"\nno_proxy = ["localhost", "127.0.0.1"]\n'


# Besides the app of the other tests, one that people sign in to with a code.
PUBLIC_CLIENT = "77777777-7777-8888-9999-000000000000"
SANDBOX = UNLIMITED + tenant_toml() + f'''
[[tenant.app]]
client_id = "{PUBLIC_CLIENT}"
name = "Public"
allow_public_client = true
'''
PUBLIC_TENANT = '''
[[tenant]]
name = "Public"
service = "Microsoft Entra ID"
cloud = {{ login = "{url}", graph = "{url}" }}
tenant_id = "{tenant}"
client_id = "{client}"
'''


@dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def ask(method, url, body=None, headers=None, form=False):
    """One request; every status is an answer."""
    data = body
    headers = dict(headers or {})
    if form:
        data = urllib.parse.urlencode(body).encode()
    elif body is not None and not isinstance(body, bytes):
        data = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


class Api:
    """A gateway with an administrator, an API token of each role, and a session."""

    def __init__(self, home, authority, sandbox_url):
        self.gateway = Gateway(home, ca=authority.ca, extra_config=NOWHERE)
        public = PUBLIC_TENANT.format(url=sandbox_url, tenant=TENANT_ID, client=PUBLIC_CLIENT)
        self.gateway.apply(setup_toml(sandbox_url, more=public))
        self.gateway.run("user", "add", USER, "--role", "administrator", "--password-stdin", input=USER_PASSWORD + "\n")
        self.numbers = itertools.count(1)
        self.tokens = {}
        for role in ROLES:
            created = json.loads(self.gateway.run("token", "create", f"{role}s", "--role", role, "--json").stdout)
            self.tokens[role] = created["token"]
        # What no answer may hold.
        self.secrets = {CLIENT_SECRET, USER_PASSWORD, TOKEN, *self.tokens.values()}
        self.gateway.start()
        self.url = self.gateway.url
        self.cookie, self.csrf = self.sign_in()

    def sign_in(self):
        form = {"name": USER, "password": USER_PASSWORD, "next": "/profile"}
        answer = ask("POST", self.url + "/sign-in", form, {"Origin": self.url}, form=True)
        assert answer.status == 303, answer.body
        cookie = answer.headers["set-cookie"].split(";")[0]
        page = ask("GET", self.url + "/profile", headers={"Cookie": cookie})
        return cookie, re.search(rb'data-csrf="([0-9a-f]+)"', page.body)[1].decode()

    def call(self, method, path, body=None, who="administrator", headers=None, content_type=None):
        """`who`: a role, `account`, `session`, or nobody (None)."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            # Names are unique: x0x stands for a part that no other call has.
            body = json.loads(json.dumps(body).replace("x0x", f"x{next(self.numbers)}x"))
        if who in self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        elif who == "account":
            headers["Authorization"] = f"Bearer {TOKEN}"
        elif who == "session":
            headers["Cookie"] = self.cookie
        if content_type:
            headers["Content-Type"] = content_type
        answer = ask(method, self.url + path, body, headers)
        for secret in self.secrets:
            assert secret.encode() not in answer.body, f"{method} {path} shows a secret"
        return answer

    def create(self, collection, body):
        """The id of a new thing."""
        answer = self.call("POST", f"/api/v1/{collection}", body)
        assert answer.status == 201, answer.body
        return answer.headers["location"].rpartition("/")[2]
