"""How fast queued mail leaves through Graph: many lanes over TLS to the sandbox, which answers at once."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.stage.certificates import Authority
from tests.stage.dialog import Dialog
from tests.stage.gateway import Gateway, setup_toml
from tests.stage.process import REPOSITORY, wait_until
from tests.stage.tenant import UNLIMITED, Sandbox, tenant_toml

from .process_tree import cpu_seconds, resident_bytes

LANES, MESSAGES, KILOBYTES = 50, 20_000, 10


def _settings():
    users = [f"lane{number}@contoso.test" for number in range(LANES)]
    return UNLIMITED.replace("[storage]\n", "[storage]\nstore_bodies = false\n") + tenant_toml(users=users)


def _hand_in(gateway, lane):
    """This lane's share of the messages, in one session."""
    sender = f"lane{lane}@contoso.test"
    body = (b"x" * 76 + b"\r\n") * (KILOBYTES * 1024 // 78)
    with Dialog(gateway.doors["plain"], timeout=120) as dialog:
        dialog.hello()
        for number in range(MESSAGES // LANES):
            dialog.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<r{number}@example.test>\r\nDATA\r\n")
            codes = [dialog.reply()[0] for _ in range(3)]
            if codes != [250, 250, 354]:
                raise RuntimeError(f"the gateway answered {codes}")
            dialog.send(f"From: {sender}\r\nSubject: {number}\r\n\r\n".encode() + body + b".\r\n")
            if dialog.reply()[0] != 250:
                raise RuntimeError("a message was not taken")


def measure():
    """Fills the queue while sending is switched off, switches it on by `postern apply`, and counts."""
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".tools", prefix="bench-") as folder:
        home = Path(folder)
        authority = Authority(home)
        with Sandbox(home / "sandbox", _settings(), authority.leaf("sandbox")) as sandbox:
            gateway = Gateway(home / "gateway", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n')
            route = '[[route]]\nname = "Lanes"\nsender = "*@contoso.test"\nservice_connection = "Contoso Graph"\nmailbox = "sender"\n'
            gateway.apply(setup_toml(sandbox.https_url, emails_enabled=False, more=route))
            gateway.start()
            try:
                with ThreadPoolExecutor(20) as pool:
                    list(pool.map(lambda lane: _hand_in(gateway, lane), range(LANES)))
                _drain(gateway, sandbox, route)
            finally:
                gateway.kill()


def _drain(gateway, sandbox, route):
    cpu, sandbox_cpu = cpu_seconds(gateway.pid), cpu_seconds(sandbox.program.pid)
    began = time.monotonic()
    gateway.apply(setup_toml(sandbox.https_url, more=route))
    wait_until(
        lambda: sandbox.stats()["deliveries"] >= MESSAGES, 300, lambda: f"{sandbox.stats()} after 300 s\n{gateway.program.last_words()}"
    )
    took = time.monotonic() - began
    cpu, sandbox_cpu = cpu_seconds(gateway.pid) - cpu, cpu_seconds(sandbox.program.pid) - sandbox_cpu
    print(f"Graph deliveries over TLS, {KILOBYTES} KB, {LANES} lanes, {MESSAGES} messages queued beforehand, both programs on this machine")
    print(f"  {MESSAGES / took:.0f} messages/s; the gateway used {cpu / took:.2f} cores, the sandbox {sandbox_cpu / took:.2f}")
    print(f"  {cpu / MESSAGES * 1e6:.0f} µs of CPU a message in the gateway: {MESSAGES / cpu:.0f} messages/s a core")
    print(f"  {resident_bytes(gateway.pid) / 1e6:.0f} MB resident in the gateway at the end")
