"""From the end of a message to its request at Graph, when there is little to do; and what an idle gateway costs."""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.stage.dialog import Dialog
from tests.stage.gateway import Gateway, setup_toml
from tests.stage.process import REPOSITORY
from tests.stage.tenant import Sandbox

from .process_tree import cpu_seconds, resident_bytes

MESSAGES, PAUSE_SECONDS, IDLE_SECONDS = 300, 0.02, 5


def measure():
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".tools", prefix="bench-") as folder:
        with Sandbox(Path(folder) / "sandbox") as sandbox:
            gateway = Gateway(Path(folder) / "gateway")
            gateway.apply(setup_toml(sandbox.url))
            gateway.start()
            try:
                _idle(gateway)
                _latency(gateway, sandbox)
            finally:
                gateway.kill()


def _idle(gateway):
    cpu = cpu_seconds(gateway.pid)
    time.sleep(IDLE_SECONDS)
    used = cpu_seconds(gateway.pid) - cpu
    print(f"Idle: {resident_bytes(gateway.pid) / 1e6:.0f} MB resident, {used / IDLE_SECONDS * 1000:.0f} ms of CPU a second")


def _latency(gateway, sandbox):
    body = b"x" * 76 + b"\r\n"
    ended = {}
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        for number in range(MESSAGES):
            dialog.envelope("noreply@contoso.test", f"r{number}@example.test")
            dialog.command("DATA")
            dialog.send(f"From: noreply@contoso.test\r\nSubject: {number}\r\n\r\n".encode() + body * 130)
            ended[str(number)] = time.time()
            dialog.send(b".\r\n")
            dialog.reply()
            time.sleep(PAUSE_SECONDS)
    sandbox.wait_for_count(MESSAGES, 60)
    # The journal has a request's time when its head has arrived, which is after its first byte.
    arrived = {row["request_id"]: datetime.fromisoformat(row["at"]).timestamp() for row in sandbox.requests()}
    waits = [(arrived[row["request_id"]] - ended[row["subject"]]) * 1000 for row in sandbox.deliveries()]
    # The first message also waits for the token.
    waits = sorted(waits[1:])
    print(
        f"End of data to request at Graph, 10 KB, one message every {PAUSE_SECONDS * 1000:.0f} ms: "
        f"median {statistics.median(waits):.1f} ms, p99 {waits[int(len(waits) * 0.99)]:.1f} ms"
    )
