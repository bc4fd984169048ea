"""Proxies of others: Debian's Squid, unpacked under .tools/squid by tools/need-squid, and microsocks."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from .process import REPOSITORY, Program

INSTALLED = REPOSITORY / ".tools" / "squid"
_LIBRARIES = ":".join(str(INSTALLED / folder) for folder in ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/x86_64-linux-gnu"))
USER, PASSWORD = "gate", "p@ss:w/rd%41"

_CONFIGURATION = """\
{doors}
auth_param basic program {home}/basic_ncsa_auth {home}/passwords
auth_param basic realm proxy
acl signed_in proxy_auth REQUIRED
acl allowed dstdomain {allowed}
acl allowed_ports port {ports}
acl CONNECT method CONNECT
http_access deny !signed_in
{tunnels_only}
http_access deny !allowed
http_access deny !allowed_ports
http_access allow signed_in
http_access deny all
hosts_file {hosts}
dns_nameservers 127.0.0.1
access_log stdio:{home}/access.log
cache_log {home}/cache.log
pid_filename none
coredump_dir {home}
mime_table {home}/mime.conf
error_directory {home}/errors
icon_directory {home}
netdb_filename none
pinger_enable off
unlinkd_program {home}/unlinkd
logfile_daemon {home}/log_file_daemon
cache deny all
cache_mem 8 MB
shutdown_lifetime 0 seconds
visible_hostname proxy.test
cache_effective_user proxy
{more}
"""


def _answers(address, port):
    try:
        with socket.create_connection((address, port), 1):
            return True
    except OSError:
        return False


class Squid:
    """Wants USER and PASSWORD, and lets nobody connect to other hosts than those `allowed`. A context manager."""

    def __init__(self, address, port, allowed, hosts, ports=(443, 587), more="", door="", tls_door=None, tunnels_only=True):
        self.address, self.port = address, port
        # It runs as a user who may not look into the tests' folders.
        self.home = Path(tempfile.mkdtemp(prefix="squid-"))
        doors = f"http_port {address}:{port} {door}"
        if tls_door:
            tls_port, certificate = tls_door
            for source, name in zip(certificate, ("door.pem", "door.key")):
                shutil.copy(source, self.home / name)
            doors += f"\nhttps_port {address}:{tls_port} tls-cert={self.home}/door.pem tls-key={self.home}/door.key"
        self.settings = _CONFIGURATION.format(
            doors=doors.replace("HOME", str(self.home)),
            home=self.home,
            allowed=" ".join(allowed),
            tunnels_only="http_access deny !CONNECT" if tunnels_only else "",
            ports=" ".join(map(str, ports)),
            hosts=self.home / "hosts",
            more=more.replace("HOME", str(self.home)),
        )
        (self.home / "hosts").write_text(hosts)

    def add(self, source, name):
        """A file that `more` speaks of."""
        shutil.copy(source, self.home / name)

    def __enter__(self):
        for program in ("basic_ncsa_auth", "security_file_certgen", "unlinkd", "log_file_daemon"):
            self.add(INSTALLED / "usr/lib/squid" / program, program)
        self.add(INSTALLED / "usr/share/squid/mime.conf", "mime.conf")
        shutil.copytree(INSTALLED / "usr/share/squid-langpack/en", self.home / "errors")
        digest = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True).stdout
        (self.home / "passwords").write_text(f"{USER}:{digest}")
        environment = {"LD_LIBRARY_PATH": _LIBRARIES}
        certgen = [self.home / "security_file_certgen", "-c", "-s", self.home / "made", "-M", "4MB"]
        subprocess.run(certgen, check=True, capture_output=True, env={**os.environ, **environment})
        (self.home / "squid.conf").write_text(self.settings)
        owner = pwd.getpwnam("proxy")
        for folder, folders, files in os.walk(self.home):
            for name in (".", *folders, *files):
                os.chown(os.path.join(folder, name), owner.pw_uid, owner.pw_gid)
        self.program = Program([INSTALLED / "usr/sbin/squid", "-N", "-f", self.home / "squid.conf"], self.home / "output.log", environment)
        self.program.wait_for(lambda: _answers(self.address, self.port))
        return self

    def __exit__(self, *_):
        self.program.terminate()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self):
        """What was asked, one line each: `TCP_TUNNEL/200 CONNECT host:port`, `TCP_DENIED/407 …`."""
        lines = (line.split() for line in (self.home / "access.log").read_text().splitlines())
        return [f"{line[3]} {line[5]} {line[6]}" for line in lines]


class Microsocks:
    """A SOCKS 5 server that wants USER and PASSWORD. `under`: what it is started under. A context manager."""

    def __init__(self, home, address, port, under=()):
        self.arguments = [*under, shutil.which("microsocks"), "-i", address, "-p", port, "-u", USER, "-P", PASSWORD]
        self.address, self.port, self.home = address, port, Path(home)

    def __enter__(self):
        self.program = Program(self.arguments, self.home / "microsocks.log")
        self.program.wait_for(lambda: _answers(self.address, self.port))
        return self

    def __exit__(self, *_):
        self.program.kill()
