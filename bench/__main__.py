"""Prints every figure of the benchmark, or those named: `python3 -m bench accept deliver`."""

import sys
from pathlib import Path

from . import accept, console, day, deliver, latency, machine

PARTS = {"accept": accept.compare, "deliver": deliver.measure, "latency": latency.measure, "console": console.measure, "day": day.measure}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    Path(".tools").mkdir(exist_ok=True)
    print("\n".join(machine.describe(".tools")))
    for name in wanted:
        print()
        PARTS[name]()


main()
