"""Postern's release build as a party of a comparison."""

import os
from pathlib import Path

from tests.stage.gateway import Gateway, setup_toml
from tests.stage.process import REPOSITORY

os.environ.setdefault("POSTERN_BINARY", str(REPOSITORY / "target" / "release" / "postern"))

# Nothing but the amount of logging differs from what `postern serve` does by itself; Postfix logs to a file too.
CONFIG = """\
[limits]
connections = 2000
connections_per_ip = 2000
"""


class Postern:
    """One running gateway that accepts and keeps: sending is switched off in its settings, as Postfix's mail is held."""

    name = "Postern"

    def __init__(self, home, extra_config=CONFIG):
        self.gateway = Gateway(Path(home), extra_config=extra_config)
        self.gateway.apply(setup_toml("http://127.0.0.1:9", emails_enabled=False))

    def __enter__(self):
        self.gateway.start()
        return self

    def __exit__(self, *_):
        self.gateway.kill()

    @property
    def pid(self):
        return self.gateway.pid

    @property
    def port(self):
        return self.gateway.doors["plain"].port

    def explain(self):
        return self.gateway.program.last_words()
