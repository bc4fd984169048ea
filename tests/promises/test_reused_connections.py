"""Ids belong to messages, not to connections: what arrives over a few long sessions arrives once each."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from stage.dialog import Dialog
from stage.gateway import OWN_MAILBOXES, setup_toml
from stage.tenant import UNLIMITED, tenant_toml

CONNECTIONS, MESSAGES_EACH = 4, 2500


def sender_of(connection):
    """A mailbox each: one may not send as many in ten minutes."""
    return f"c{connection}@contoso.test"


def send_many(door, connection):
    """Sends MESSAGES_EACH messages over one connection, the commands of each in one write. Returns the ids."""
    sender = sender_of(connection)
    ids = []
    with Dialog(door, timeout=120) as dialog:
        dialog.hello()
        for number in range(MESSAGES_EACH):
            dialog.send(
                f"MAIL FROM:<{sender}>\r\nRCPT TO:<c{connection}n{number}@example.test>\r\nDATA\r\n".encode()
            )
            assert [dialog.reply()[0] for _ in range(3)] == [250, 250, 354]
            dialog.send(f"From: {sender}\r\nSubject: c{connection}n{number}\r\n\r\nNumber {number}\r\n.\r\n".encode())
            code, text = dialog.reply()
            assert code == 250, text
            ids.append(re.search(r"Queued as (\S+)", text)[1])
        assert dialog.command("QUIT")[0] == 221
    return ids


@pytest.mark.heavy
def test_ten_thousand_messages_over_four_connections_arrive_exactly_once(stage):
    sandbox = stage.sandbox(UNLIMITED + tenant_toml(users=map(sender_of, range(CONNECTIONS))))
    gateway = stage.gateway(setup_toml(sandbox.url, more=OWN_MAILBOXES)).start()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        ids = [each for sent in pool.map(lambda number: send_many(gateway.doors["plain"], number), range(CONNECTIONS)) for each in sent]
    total = CONNECTIONS * MESSAGES_EACH
    assert len(set(ids)) == total

    sandbox.wait_for_count(total, 240)
    delivered = Counter(recipient for row in sandbox.deliveries() for recipient in row["recipients"])
    expected = {f"c{connection}n{number}@example.test" for connection in range(CONNECTIONS) for number in range(MESSAGES_EACH)}
    assert set(delivered) == expected
    assert set(delivered.values()) == {1}
    assert sandbox.stats()["by_status"] == {"202": total}, "more at once than Microsoft allows a mailbox"
