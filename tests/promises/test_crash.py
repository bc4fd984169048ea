"""Power cuts: the process is killed at random moments while clients send. What was acknowledged is never lost.

An acknowledged message is delivered, or `postern queue` lists it with its state. It may be delivered twice only if the answer to an
attempt was lost, and then the record says so; with `on_uncertain = "hold"` it is not delivered twice at all.
"""

import random
import threading
import time
import uuid
from collections import Counter

import pytest

from stage.dialog import Dialog
from stage.gateway import OWN_MAILBOXES, setup_toml
from stage.process import wait_until
from stage.tenant import UNLIMITED, tenant_toml

CLIENTS = 20
# As much as they send is more than one mailbox may in a few minutes.
SENDERS = [f"client{number}@contoso.test" for number in range(CLIENTS)]


class Client(threading.Thread):
    """Sends one message after the other and notes those that were acknowledged, as {id: recipient}."""

    def __init__(self, gateway, sender, over):
        super().__init__(daemon=True)
        self.gateway, self.sender, self.over, self.acknowledged, self.complaints = gateway, sender, over, {}, []
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                with Dialog(self.gateway.doors["plain"], timeout=10) as dialog:
                    dialog.hello()
                    while not self.over.is_set():
                        self.send_one(dialog)
            except (OSError, EOFError, ValueError):
                # The process was killed: come back, as a mailer would. Nothing to wait for but its return.
                time.sleep(0.02)

    def send_one(self, dialog):
        recipient = f"{uuid.uuid4().hex}@example.test"
        # Some bodies are large enough to go to a file of their own.
        body = b"x" * 70 + b"\r\n"
        content = f"Subject: crash\r\nFrom: {self.sender}\r\n\r\n".encode() + body * random.choice([1, 1, 1, 30, 2000])
        code, text = dialog.message(self.sender, [recipient], content)
        if code == 250:
            self.acknowledged[text.split("Queued as ")[1].split()[0]] = recipient
        elif code // 100 != 4:
            self.complaints.append((code, text))


def survive(gateway, rounds, seed):
    """Kills and restarts the gateway `rounds` times under load. Returns {id: recipient} of all that was acknowledged."""
    moments = random.Random(seed)
    over = threading.Event()
    clients = [Client(gateway, sender, over) for sender in SENDERS]
    for _ in range(rounds):
        gateway.start()
        time.sleep(moments.uniform(0.05, 0.8))
        gateway.kill()
    over.set()
    for client in clients:
        client.join(60)
        assert not client.complaints
    return {message: recipient for client in clients for message, recipient in client.acknowledged.items()}


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("on_uncertain, rounds, seed", [("retry", 20, 1), ("hold", 10, 2)])
def test_nothing_acknowledged_is_lost_and_only_the_uncertain_is_sent_twice(on_uncertain, rounds, seed, stage):
    sandbox = stage.sandbox(UNLIMITED + tenant_toml(users=SENDERS))
    setup = setup_toml(sandbox.url, more=OWN_MAILBOXES).replace('permission = "application"', f'permission = "application"\non_uncertain = "{on_uncertain}"')
    gateway = stage.gateway(setup)
    acknowledged = survive(gateway, rounds, seed)
    assert len(acknowledged) > rounds * 5, "too few messages to prove anything"

    gateway.start()
    wait_until(
        lambda: not gateway.queue("--state", "queued", "--state", "sending"),
        300,
        lambda: f"still on their way: {gateway.queue('--state', 'queued', '--state', 'sending')[:3]}",
    )
    records = {record["id"]: record for record in gateway.queue()}
    delivered = Counter(recipient for row in sandbox.deliveries() for recipient in row["recipients"])

    lost = [message for message, recipient in acknowledged.items() if not delivered[recipient] and message not in records]
    assert not lost
    silent = [message for message, recipient in acknowledged.items() if records[message]["status"] == "sent" and not delivered[recipient]]
    assert not silent, "marked as sent, but never delivered"
    doubled = [
        record["id"]
        for record in records.values()
        if delivered[record["envelope"]["to"][0]] > 1 and not record["may_be_duplicated"]
    ]
    assert not doubled, "delivered twice without a word"
    if on_uncertain == "hold":
        assert max(delivered.values()) == 1
        assert {record["status"] for record in records.values()} <= {"sent", "uncertain"}
    else:
        assert {record["status"] for record in records.values()} == {"sent"}
        assert all(delivered[recipient] for recipient in acknowledged.values())
