"""The comparison of two accounts, and the file that can be sent in: it names nobody."""

import json
import re
import traceback
from dataclasses import dataclass, field

from .facts import QUESTIONS

GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass
class Comparison:
    roles: list
    seen: dict = field(default_factory=dict)
    differences: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    skipped: list = field(default_factory=list)


def ask(account, name):
    seen = QUESTIONS[name](account)
    return None if seen is None else json.loads(nameless(account, json.dumps(seen)))


def nameless(account, text):
    """Without ids, secrets and addresses of the account."""
    told = {
        account.client_secret: "SECRET",
        account.mailbox: "MAILBOX",
        account.recipient: "RECIPIENT",
        account.recipient.rpartition("@")[2]: "RECIPIENT-DOMAIN",
        account.domain: "DOMAIN",
        account.tenant_id: "TENANT",
        account.client_id: "CLIENT",
    }
    for word in sorted(filter(None, told), key=len, reverse=True):
        text = re.sub(re.escape(word), told[word], text, flags=re.IGNORECASE)
    return GUID.sub("GUID", text)


def compare(tenant, sandbox, progress=lambda line: None):
    """Asks every question of both. What cannot be asked of the tenant is a failure, told with its reason, and ends nothing."""
    result = Comparison(roles=tenant.roles)
    for name in QUESTIONS:
        try:
            here, there = ask(tenant, name), ask(sandbox, name)
        except Exception as error:  # noqa: BLE001: whatever goes wrong belongs into the report
            last = traceback.extract_tb(error.__traceback__)[-1]
            result.failures.append({"question": name, "error": nameless(tenant, f"{type(error).__name__}: {error} ({last.name})")})
            progress(f"  ?  {name}: {error}")
            continue
        if here is None or there is None:
            result.skipped.append(name)
            continue
        result.seen[name] = here
        differing = [key for key in sorted({*here, *there}) if here.get(key) != there.get(key)]
        result.differences += [{"question": name, "what": key, "tenant": here.get(key), "sandbox": there.get(key)} for key in differing]
        progress(f"  {'≠' if differing else '='}  {name}")
    return result


def as_text(result, delivered=()):
    lines = ["# Postern's live suite: a tenant beside the sandbox", ""]
    lines += [f"Roles of the application: {', '.join(result.roles) or 'none in the token'}", ""]
    lines += [f"{len(result.seen)} questions answered by both, {len(result.differences)} differences.", ""]
    lines += ["| question | what | tenant | sandbox |", "|---|---|---|---|"]
    for row in result.differences:
        cells = [row["question"], row["what"], json.dumps(row["tenant"]), json.dumps(row["sandbox"])]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", *(f"- not asked for want of a permission: {name}" for name in result.skipped)]
    lines += [f"- could not be asked: {row['question']}: {row['error']}" for row in result.failures]
    lines += ["", "## Deliveries", "", *(f"- {line}" for line in delivered), ""]
    return "\n".join(lines)
