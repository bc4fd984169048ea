"""The tenant that the suite is pointed at, from the environment."""

import base64
import json
import os
import urllib.parse
from dataclasses import dataclass
from functools import cached_property

from .http import call

CLOUDS = {
    "global": ("https://login.microsoftonline.com", "https://graph.microsoft.com", "smtp.office365.com:587", "https://outlook.office365.com"),
    "us-gov": ("https://login.microsoftonline.us", "https://graph.microsoft.us", "smtp.office365.us:587", "https://outlook.office365.us"),
    "us-gov-dod": ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us", "outlook-dod.office365.us:587", "https://outlook-dod.office365.us"),
    "china": ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn", "smtp.partner.outlook.cn:587", "https://partner.outlook.cn"),
}

REQUIRED = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "MAILBOX", "RECIPIENT")


@dataclass(frozen=True)
class Account:
    """One application in one tenant, and the mailboxes it may send from and to."""

    name: str
    login: str
    graph: str
    smtp: str
    exchange: str
    tenant_id: str
    client_id: str
    client_secret: str
    mailbox: str
    recipient: str
    cloud: str = ""
    ca: str | None = None

    @property
    def domain(self):
        return self.mailbox.rpartition("@")[2]

    def ask_token(self, scope=None, tenant=None, **changed):
        """One request for a token; `None` leaves a field out."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": scope or f"{self.graph}/.default",
            **changed,
        }
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        url = f"{self.login}/{tenant or self.tenant_id}/oauth2/v2.0/token"
        return call("POST", url, body.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, ca=self.ca)

    @cached_property
    def token(self):
        return self._issued(self.ask_token())

    @cached_property
    def exchange_token(self):
        return self._issued(self.ask_token(f"{self.exchange}/.default"))

    def _issued(self, answer):
        if answer.status != 200:
            raise RuntimeError(f"no token for {self.name}: {answer.json().get('error_description', answer.body[:300])}")
        return answer.json()["access_token"]

    @property
    def claims(self):
        return _claims(self.token)

    @cached_property
    def roles(self):
        """Of Graph and of Exchange: each token names those of its own service."""
        exchange = self.ask_token(f"{self.exchange}/.default")
        more = _claims(exchange.json()["access_token"]) if exchange.status == 200 else {}
        return sorted({*self.claims.get("roles", []), *more.get("roles", [])})

    def may(self, role):
        return role in self.roles

    def call_graph(self, method, path, body=None, headers=None, token=None):
        headers = {"Authorization": f"Bearer {self.token if token is None else token}", **(headers or {})}
        return call(method, f"{self.graph}/v1.0/{path}", body, headers, ca=self.ca)

    def user(self, mailbox=None):
        return "users/" + urllib.parse.quote(mailbox or self.mailbox, safe="")


def _claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def missing(environment=os.environ):
    """The variables that are wanted and not there."""
    return [f"POSTERN_LIVE_{name}" for name in REQUIRED if not environment.get(f"POSTERN_LIVE_{name}")]


def from_environment(environment=os.environ):
    def of(name, default=None):
        return environment.get(f"POSTERN_LIVE_{name}") or default

    cloud = of("CLOUD", "global")
    if cloud not in CLOUDS:
        raise SystemExit(f"POSTERN_LIVE_CLOUD is {cloud!r}; known are {', '.join(CLOUDS)}")
    login, graph, smtp, exchange = CLOUDS[cloud]
    return Account(
        name="tenant",
        login=of("LOGIN", login).rstrip("/"),
        graph=of("GRAPH", graph).rstrip("/"),
        smtp=of("SMTP", smtp),
        exchange=exchange,
        tenant_id=of("TENANT_ID"),
        client_id=of("CLIENT_ID"),
        client_secret=of("CLIENT_SECRET"),
        mailbox=of("MAILBOX"),
        recipient=of("RECIPIENT"),
        cloud="" if of("LOGIN") else cloud,
        ca=of("CA"),
    )
