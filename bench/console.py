"""How long the console's questions take with a million messages in the store; each is to take less than 200 ms."""

import datetime
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.stage.gateway import Gateway
from tests.stage.process import REPOSITORY

from . import postern  # noqa: F401  names the release build

MESSAGES = 1_000_000
TIMES = 7
# Nothing is old enough to be forgotten while it is asked for.
KEEP = """\
[retention]
sent = "400d"
failed = "400d"
"""
YESTERDAY = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

# The same questions over HTTP, as an administrator's program asks them.
CALLS = [
    ("list", "/messages"),
    ("list: failed", "/messages?status=failed"),
    ("list: unsent", "/messages?status=queued,sending,held,uncertain"),
    ("search: a frequent word", "/messages?q=invoice"),
    ("search: a word that no message has", "/messages?q=nowhere"),
    ("search: a recipient", "/messages?to=nobody@example.test"),
    ("search: the last day", f"/messages?since={YESTERDAY}"),
    ("overview", "/overview"),
]


def measure():
    build = ["cargo", "build", "--locked", "--release", "--quiet", "-p", "store", "--example", "console"]
    subprocess.run(build, cwd=REPOSITORY, check=True)
    program = REPOSITORY / "target" / "release" / "examples" / "console"
    print(f"The console's questions with {MESSAGES:,} messages stored; start-up is to take less than 2 s")
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".tools", prefix="bench-") as folder:
        gateway = Gateway(Path(folder), extra_config=KEEP)
        for work in (["fill", str(MESSAGES)], ["ask"]):
            subprocess.run([program, gateway.data_dir, *work], check=True)
        over_http(gateway)


def over_http(gateway):
    created = gateway.run("token", "create", "bench", "--role", "administrator", "--json")
    token = json.loads(created.stdout)["token"]
    gateway.start()
    try:
        print("Over HTTP, by an API token, in ms: median (longest)")
        for name, path in CALLS:
            taken = [milliseconds(gateway, path, token) for _ in range(TIMES)]
            print(f"  {name:<40} {statistics.median(taken):7.1f} ({max(taken):.1f})")
    finally:
        gateway.kill()


def milliseconds(gateway, path, token):
    start = time.perf_counter()
    status, answer = gateway.call("GET", path, token=token)
    taken = (time.perf_counter() - start) * 1000
    assert status == 200, answer
    return taken
