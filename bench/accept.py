"""How fast mail is taken durably: Postfix's own `smtp-source` against both servers, the same command for each."""

import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stage.process import free_ports

from . import postfix
from .postern import Postern
from .process_tree import cpu_seconds

SECONDS_PER_CELL = 3
ROUNDS = 2


@dataclass(frozen=True)
class Load:
    kilobytes: int
    sessions: int
    many_messages_a_session: bool

    def __str__(self):
        sessions = "1 session" if self.sessions == 1 else f"{self.sessions} sessions"
        return f"{self.kilobytes:>4} KB  {sessions:<11} {'many' if self.many_messages_a_session else 'one '} a session"


LOADS = [Load(size, sessions, many) for many in (True, False) for sessions in (20, 1) for size in (1, 10, 100)]


@dataclass(frozen=True)
class Figure:
    messages_per_second: float
    cpu_microseconds: float


def _send(server, load, count):
    """Seconds it took to hand `count` messages to `server`."""
    arguments = postfix.tool("smtp-source")
    arguments += ["-s", str(load.sessions), "-m", str(count), "-l", str(load.kilobytes * 1024)]
    arguments += ["-d"] if load.many_messages_a_session else []
    arguments += ["-f", "sender@contoso.test", "-t", "recipient@example.test", f"127.0.0.1:{server.port}"]
    began = time.monotonic()
    done = subprocess.run(arguments, env=postfix.environment(), capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}: smtp-source failed: {done.stderr}\n{server.explain()}")
    return time.monotonic() - began


def measure(make_server, load):
    """One figure from a fresh server with an empty queue; a short run first warms it and sets the length of the run."""
    with tempfile.TemporaryDirectory(dir=postfix.REPOSITORY / ".tools", prefix="bench-") as home, make_server(Path(home) / "server") as server:
        warm_up = max(load.sessions * 5, 50)
        rate = warm_up / _send(server, load, warm_up)
        # Not more than 1 GB of mail: the disk's write-back would be measured, not the servers.
        count = int(min(max(rate * SECONDS_PER_CELL, warm_up), 1_000_000 / load.kilobytes))
        before = cpu_seconds(server.pid)
        took = _send(server, load, count)
        cpu = cpu_seconds(server.pid) - before
        return Figure(count / took, cpu / count * 1e6)


def _held(home):
    return postfix.Postfix(home, free_ports(1)[0], "smtpd_client_restrictions = static:HOLD")


def _queued(home):
    return postfix.Postfix(home, free_ports(1)[0], "default_transport = smtp\ndefer_transports = smtp")


PARTIES = {"Postern": Postern, "held": _held, "queued": _queued}


def _median(figures):
    return Figure(
        statistics.median(figure.messages_per_second for figure in figures),
        statistics.median(figure.cpu_microseconds for figure in figures),
    )


def compare(loads=LOADS, rounds=ROUNDS):
    """Prints one line for each load; the order of the parties turns round with every round."""
    missing = postfix.why_not()
    if missing:
        print(f"Postfix is left out: {missing}")
        return
    print("Durable SMTP accept: messages/s (µs of CPU a message, all processes of the server)")
    print("  held: Postfix writes to its hold queue and does nothing else; its best case")
    print("  queued: Postfix's queue manager takes the mail over as usual and defers it")
    print(f"{'':>34} {'Postern':>16} {'Postfix held':>16} {'Postfix queued':>16}  ratio to held, queued")
    for load in loads:
        figures = {name: [] for name in PARTIES}
        for number in range(rounds):
            order = list(PARTIES) if number % 2 == 0 else list(reversed(PARTIES))
            for name in order:
                figures[name].append(measure(PARTIES[name], load))
        results = {name: _median(each) for name, each in figures.items()}
        cells = " ".join(f"{each.messages_per_second:>8.0f} ({each.cpu_microseconds:>5.0f})" for each in results.values())
        ours = results["Postern"].messages_per_second
        ratios = ", ".join(f"{ours / results[name].messages_per_second:.1f}" for name in ("held", "queued"))
        print(f"{load!s:>34} {cells}  {ratios}", flush=True)
