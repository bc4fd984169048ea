"""How long the console's questions take with a million messages in the store; each is to take less than 200 ms."""

import subprocess
import tempfile

from tests.stage.process import REPOSITORY

MESSAGES = 1_000_000


def measure():
    build = ["cargo", "build", "--locked", "--release", "--quiet", "-p", "store", "--example", "console"]
    subprocess.run(build, cwd=REPOSITORY, check=True)
    program = REPOSITORY / "target" / "release" / "examples" / "console"
    print(f"The console's questions with {MESSAGES:,} messages stored; start-up is to take less than 2 s")
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".tools", prefix="bench-") as folder:
        for work in (["fill", str(MESSAGES)], ["ask"]):
            subprocess.run([program, folder, *work], check=True)
