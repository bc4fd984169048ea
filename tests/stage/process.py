"""Starting a program, knowing when it is ready, and ending it: politely, or as a power cut would."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def postern_binary():
    """`POSTERN_BINARY`, or what `cargo build` made."""
    return Path(os.environ.get("POSTERN_BINARY", REPOSITORY / "target" / "debug" / "postern"))


def free_ports(count):
    """Loopback ports that nobody listens on; held open together, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def wait_until(condition, deadline_seconds, what):
    """Asks until `condition()` is true and returns its value. `what` may be a function, asked only when time is up."""
    deadline = time.monotonic() + deadline_seconds
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(what() if callable(what) else what)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def answers(port, address="127.0.0.1"):
    try:
        with socket.create_connection((address, port), 1):
            return True
    except OSError:
        return False


class Program:
    """One running program whose output goes to a file."""

    def __init__(self, arguments, log, environment=None):
        self.log = Path(log)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process.poll() is None

    def wait_for(self, ready, deadline_seconds=30):
        """Until `ready()` is true; at once with the program's last words if it ends instead."""

        def ready_or_dead():
            if not self.is_alive():
                raise RuntimeError(f"ended with {self.process.returncode} instead of starting:\n{self.last_words()}")
            return ready()

        wait_until(ready_or_dead, deadline_seconds, lambda: f"not ready in time:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text(errors="replace")[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self, deadline_seconds=40):
        """Asks it to end and returns its exit status."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(deadline_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"did not end in {deadline_seconds} s:\n{self.last_words()}") from None
        return self.process.returncode
