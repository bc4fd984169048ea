"""One way to make each call succeed. `test_api.py` makes sure that there is one for each call of the description."""

from dataclasses import dataclass, field
from typing import Any, Callable

from stage.tenant import CLIENT_ID, MAILBOX, TENANT_ID

LATER = "2100-01-01T00:00:00Z"
V1 = "/api/v1"


@dataclass
class Call:
    role: str  # the least that may; `account`: submission accounts alone
    status: int = 200
    body: Any = None
    # Makes what the call is about; returns what stands in the address for {id} and the like.
    before: Callable = lambda api: {}
    # For calls that submission accounts may make as well.
    account_too: bool = False
    query: str = ""
    # Keeps of an answer what does not depend on other tests.
    keep: Callable = field(default=lambda body: body)


def named(key, *names):
    """Of a list, the entries that were there from the beginning."""
    return lambda body: {key: [entry for entry in body[key] if entry["name"] in names]}


def tenant(name):
    return {
        "name": name,
        "cloud": {"login": "http://127.0.0.1:9", "graph": "http://127.0.0.1:9"},
        "tenant_id": TENANT_ID,
        "client_id": CLIENT_ID,
        "client_secret": "a secret nobody is told",
        "client_secret_expires": "2099-11-01",
    }


def connection(name, **more):
    return {"name": name, "service": "Microsoft Entra ID Graph API", "tenant": "Contoso"} | more


def route(name):
    return {"name": name, "sender": "*@route.test", "service_connection": "Contoso Graph", "mailbox": MAILBOX}


def emails():
    return {"enabled": True, "mailbox": MAILBOX, "service_connection": "Contoso Graph", "connection_type": "graph", "from_policy": "rewrite"}


def webhook(name):
    return {"name": name, "url": "http://127.0.0.1:9/hook", "events": ["message.failed", "alarm.raised"]}


def one(collection, make, name):
    return lambda api: {"id": api.create(collection, make(name))}


def first(collection, name):
    """The id of a thing that was there from the beginning."""

    def find(api):
        things = api.call("GET", f"{V1}/{collection}").json()[collection]
        return {"id": next(thing["id"] for thing in things if thing["name"] == name)}

    return find


def message(*operations):
    """A message that waits for the next century, after these operations."""

    def queue(api):
        body = {"from": "anna@contoso.test", "to": "ben@example.test", "subject": "Hello", "text": "Hi", "send_at": LATER}
        answer = api.call("POST", f"{V1}/messages", body, who="account")
        assert answer.status == 202, answer.body
        id = answer.json()["id"]
        for operation in operations:
            assert api.call("POST", f"{V1}/messages/{id}/{operation}").status == 200
        return {"id": id}

    return queue


def pending_certificate(name):
    def make(api):
        id = api.create("tenants", tenant(name))
        assert api.call("POST", f"{V1}/tenants/{id}/certificate", {}).status == 200
        return {"id": id}

    return make


def delegated(name, begin=False):
    def make(api):
        id = api.create("connections", connection(name, tenant="Public", permission="delegated"))
        if not begin:
            return {"id": id}
        begun = api.call("POST", f"{V1}/connections/{id}/authenticate", {"method": "device"})
        assert begun.status == 202, begun.body
        return {"id": id, "sign_in": begun.json()["id"]}

    return make


def user(name):
    return {"name": name, "role": "viewer"}


def token(name):
    return {"name": name, "role": "viewer"}


def findings(body):
    return [check["name"] for check in body["checks"]]


PROVIDER = {
    "name": "Contoso",
    "issuer": "http://127.0.0.1:9/tenant/v2.0",
    "client_id": "console",
    "client_secret": "nobody is told this either",
    "groups": [{"group": "0f1e", "role": "operator"}],
}
RULES = "administrator"

CALLS = {
    # Messages
    f"GET {V1}/messages": Call("viewer", account_too=True, before=message(), query="?status=queued&limit=1"),
    f"POST {V1}/messages": Call("account", 202, {"from": "anna@contoso.test", "to": "ben@example.test", "text": "Hi", "send_at": LATER}),
    f"GET {V1}/messages/{{id}}": Call("viewer", account_too=True, before=message()),
    f"DELETE {V1}/messages/{{id}}": Call(RULES, 204, before=message()),
    f"GET {V1}/messages/{{id}}/raw": Call(RULES, before=message()),
    f"POST {V1}/messages/{{id}}/retry": Call("operator", before=message("hold")),
    f"POST {V1}/messages/{{id}}/cancel": Call("operator", before=message()),
    f"POST {V1}/messages/{{id}}/hold": Call("operator", before=message()),
    f"POST {V1}/messages/{{id}}/release": Call("operator", before=message("hold")),
    f"POST {V1}/messages/{{id}}/resend": Call("operator", 202, before=message()),
    # Ways out
    f"GET {V1}/services": Call("viewer"),
    f"GET {V1}/tenants": Call("viewer", keep=named("tenants", "Contoso")),
    f"POST {V1}/tenants": Call(RULES, 201, tenant("Created tenant x0x")),
    f"GET {V1}/tenants/{{id}}": Call("viewer", before=one("tenants", tenant, "Shown tenant x0x")),
    f"PUT {V1}/tenants/{{id}}": Call(RULES, body=tenant("Replaced tenant x0x") | {"client_secret": None}, before=one("tenants", tenant, "Tenant to replace x0x")),
    f"DELETE {V1}/tenants/{{id}}": Call(RULES, 204, before=one("tenants", tenant, "Tenant to remove x0x")),
    f"GET {V1}/tenants/{{id}}/certificate": Call("viewer", before=pending_certificate("Certificate shown x0x")),
    f"POST {V1}/tenants/{{id}}/certificate": Call(RULES, body={"bits": "2048"}, before=one("tenants", tenant, "Certificate made x0x")),
    f"DELETE {V1}/tenants/{{id}}/certificate": Call(RULES, 204, before=pending_certificate("Certificate discarded x0x")),
    f"POST {V1}/tenants/{{id}}/certificate/activate": Call(RULES, before=pending_certificate("Certificate activated x0x")),
    f"GET {V1}/connections": Call("viewer", keep=named("connections", "Contoso Graph")),
    f"POST {V1}/connections": Call(RULES, 201, connection("Created connection x0x")),
    f"GET {V1}/connections/{{id}}": Call("viewer", before=first("connections", "Contoso Graph")),
    f"PUT {V1}/connections/{{id}}": Call(
        RULES, body=connection("Replaced connection x0x", on_uncertain="hold"), before=one("connections", connection, "Connection to replace x0x")
    ),
    f"DELETE {V1}/connections/{{id}}": Call(RULES, 204, before=one("connections", connection, "Connection to remove x0x")),
    f"POST {V1}/connections/{{id}}/test": Call("operator", before=first("connections", "Contoso Graph")),
    f"GET {V1}/connections/{{id}}/authenticate": Call("viewer", before=delegated("Authentication shown x0x")),
    f"POST {V1}/connections/{{id}}/authenticate": Call(RULES, 202, {"method": "device"}, before=delegated("Authentication begun x0x")),
    f"POST {V1}/connections/{{id}}/authenticate/{{sign_in}}": Call(RULES, before=delegated("Authentication polled x0x", begin=True)),
    f"DELETE {V1}/connections/{{id}}/authenticate": Call(RULES, 204, before=delegated("Authentication forgotten x0x")),
    # Which way
    f"GET {V1}/emails": Call("viewer"),
    f"PUT {V1}/emails": Call(RULES, body=emails()),
    f"POST {V1}/emails/test": Call("operator", 202, {"to": "ben@example.test"}),
    f"GET {V1}/routes": Call("viewer", before=one("routes", route, "listed route x0x"), keep=lambda body: {"routes": body["routes"][:1]}),
    f"POST {V1}/routes": Call(RULES, 201, route("created route x0x")),
    f"GET {V1}/routes/{{id}}": Call("viewer", before=one("routes", route, "shown route x0x")),
    f"PUT {V1}/routes/{{id}}": Call(RULES, body=route("replaced route x0x"), before=one("routes", route, "route-to replace x0x")),
    f"DELETE {V1}/routes/{{id}}": Call(RULES, 204, before=one("routes", route, "route-to remove x0x")),
    f"POST {V1}/routes/{{id}}/move": Call(RULES, body={"to": "first"}, before=one("routes", route, "moved route x0x")),
    # Who is told
    f"GET {V1}/webhooks": Call(RULES, before=one("webhooks", webhook, "listed webhook x0x"), keep=lambda body: {"webhooks": body["webhooks"][:1]}),
    f"POST {V1}/webhooks": Call(RULES, 201, webhook("created webhook x0x")),
    f"GET {V1}/webhooks/{{id}}": Call(RULES, before=one("webhooks", webhook, "shown webhook x0x")),
    f"PUT {V1}/webhooks/{{id}}": Call(
        RULES, body=webhook("replaced webhook x0x") | {"disabled": True}, before=one("webhooks", webhook, "webhook-to replace x0x")
    ),
    f"DELETE {V1}/webhooks/{{id}}": Call(RULES, 204, before=one("webhooks", webhook, "webhook-to remove x0x")),
    f"POST {V1}/webhooks/{{id}}/rotate-secret": Call(RULES, before=one("webhooks", webhook, "rotated webhook x0x")),
    f"POST {V1}/webhooks/{{id}}/test": Call(RULES, before=one("webhooks", webhook, "tested webhook x0x")),
    f"GET {V1}/notices": Call("viewer", keep=sorted),
    f"PUT {V1}/notices": Call(RULES, body={"failures": True, "delay_after_minutes": 240, "alarms": {"to": ["ops@contoso.test"], "queue_age_minutes": 60, "expiry_days": 14}}),
    # Ways in
    f"GET {V1}/accounts": Call("viewer", keep=named("accounts", "erp")),
    f"POST {V1}/accounts": Call(
        RULES, 201, {"name": "created x0x", "generate_password": True, "generate_token": True, "allowed_senders": ["*@contoso.test"], "networks": ["10.0.0.0/8"]}
    ),
    f"GET {V1}/accounts/{{id}}": Call("viewer", before=one("accounts", lambda name: {"name": name}, "shown x0x")),
    f"PUT {V1}/accounts/{{id}}": Call(
        RULES, body={"name": "replaced x0x", "messages_per_minute": 60}, before=one("accounts", lambda name: {"name": name}, "to replace x0x")
    ),
    f"DELETE {V1}/accounts/{{id}}": Call(RULES, 204, before=one("accounts", lambda name: {"name": name}, "to remove x0x")),
    # People
    f"GET {V1}/users": Call(RULES, keep=named("users", "anna")),
    f"POST {V1}/users": Call(RULES, 201, user("created x0x")),
    f"GET {V1}/users/{{id}}": Call(RULES, before=first("users", "anna")),
    f"PATCH {V1}/users/{{id}}": Call(RULES, body={"role": "operator", "disabled": True}, before=one("users", user, "changed x0x")),
    f"DELETE {V1}/users/{{id}}": Call(RULES, 204, before=one("users", user, "removed x0x")),
    f"POST {V1}/users/{{id}}/reset-password": Call(RULES, body={}, before=one("users", user, "forgetful x0x")),
    f"DELETE {V1}/users/{{id}}/second-factor": Call(RULES, 204, before=one("users", user, "careless x0x")),
    f"GET {V1}/tokens": Call(RULES, keep=named("tokens", "viewers")),
    f"POST {V1}/tokens": Call(RULES, 201, token("created x0x") | {"expires_at": LATER}),
    f"GET {V1}/tokens/{{id}}": Call(RULES, before=first("tokens", "viewers")),
    f"DELETE {V1}/tokens/{{id}}": Call(RULES, 204, before=one("tokens", token, "revoked x0x")),
    f"GET {V1}/sign-in-settings": Call(RULES),
    f"PUT {V1}/sign-in-settings": Call(RULES, body=PROVIDER),
    f"DELETE {V1}/sign-in-settings": Call(RULES, 204),
    # Watching
    f"GET {V1}/audit": Call(RULES, before=one("users", user, "audited x0x"), query="?q=user_added&limit=1"),
    f"GET {V1}/overview": Call("viewer", keep=sorted),
    f"POST {V1}/doctor": Call("operator", body={"connection": "Contoso Graph"}, keep=findings),
}
