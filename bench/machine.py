"""What the figures were measured on."""

import os
import platform
import subprocess
from pathlib import Path


def _after(path, name):
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def describe(folder):
    memory = int(_after("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    return [
        f"{os.cpu_count()} × {_after('/proc/cpuinfo', 'model name')}, {memory:.0f} GiB, Linux {platform.release()}, {filesystem}",
        f"commit {commit}; load before the run {load:.2f}; {synced_writes(folder):.0f} synced 4 KB writes a second, one at a time",
    ]


def synced_writes(folder, count=500):
    """The disk's own pace: what a server that syncs every message for itself cannot exceed."""
    import time

    path = Path(folder) / "synced-writes"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY)
    began = time.monotonic()
    for _ in range(count):
        os.write(handle, b"x" * 4096)
        os.fdatasync(handle)
    took = time.monotonic() - began
    os.close(handle)
    path.unlink()
    return count / took
