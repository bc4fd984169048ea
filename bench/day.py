"""A day of mixed mail on a moved clock, against Microsoft's limits: what the schedule is worth, and whether anything was refused."""

import subprocess

from tests.stage.process import REPOSITORY


def measure():
    """Virtual time: a day takes about a minute."""
    run = ["cargo", "run", "--locked", "--release", "--quiet", "-p", "relay", "--example", "day"]
    subprocess.run(run, cwd=REPOSITORY, check=True)
