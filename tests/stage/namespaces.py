"""Network namespaces of Linux: pieces of network with nobody else on them. Who enters one starts programs and opens sockets there."""

import ctypes
import os
import subprocess
import uuid
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why this machine lets nobody make namespaces; `None` if it does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"network namespaces are not allowed here: {tried.stderr.strip()}"


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A context manager; it has a loopback interface and nothing else until it is joined to another one."""

    def __init__(self, name):
        self.name = f"{name}-{uuid.uuid4().hex[:8]}"

    def __enter__(self):
        _run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)

    def run(self, *command):
        return _run("ip", "netns", "exec", self.name, *map(str, command))

    @contextmanager
    def entered(self):
        """What this thread opens and starts meanwhile is in the namespace."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        here = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _set(here)
            yield self
        finally:
            _set(before)
            os.close(here)
            os.close(before)


def _set(namespace):
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def join(near, near_address, far, far_address, prefix=24):
    """A cable between two namespaces; returns the name of its end, the same in both."""
    cable = f"p{uuid.uuid4().hex[:8]}"
    near.run("ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", far.name)
    for namespace, address in ((near, near_address), (far, far_address)):
        # Without addresses of its own, IPv6 has nothing to say there.
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{cable}.disable_ipv6=1")
        namespace.run("ip", "address", "add", f"{address}/{prefix}", "dev", cable)
        namespace.run("ip", "link", "set", cable, "up")
    return cable


def with_files(**files):
    """The beginning of a command line under which a program sees other files in /etc: `hosts=path, resolv_conf=path`."""
    mounts = " && ".join(f"mount --bind '{path}' /etc/{name.replace('_', '.')}" for name, path in files.items())
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
