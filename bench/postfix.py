"""Debian's Postfix, unpacked under .tools/postfix and run from there with its own configuration, queue and logs.

Set up to be fast at the one thing compared, accepting durably: no content filter, no address lookups, no chroot, and no delivery
that competes for the processor. Syncing is Postfix's default, as is the number of processes.
"""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
INSTALLED = REPOSITORY / ".tools" / "postfix"
LIBRARIES = ":".join(str(INSTALLED / folder) for folder in ("usr/lib/postfix", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"))

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {home}/etc
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {installed}/usr/lib/postfix/sbin
command_directory = {installed}/usr/sbin
shlib_directory = {installed}/usr/lib/postfix
meta_directory = {home}/etc
maillog_file = {home}/log/mail.log
maillog_file_prefixes = {home}/log
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={libraries}
mail_owner = {owner}
setgid_group = {group}
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
message_size_limit = 36700160
{extra}
"""

# The same services as Debian's master.cf, without chroot and without those that no part of this test reaches.
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved", "trace")


def tool(name):
    """The command line that runs one of Postfix's own programs, such as smtp-source."""
    return [str(INSTALLED / "usr" / "sbin" / name)]


def environment():
    return {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}


def why_not():
    """Why Postfix cannot be measured here, or None."""
    if not (INSTALLED / "usr/lib/postfix/sbin/master").exists():
        return "Postfix is not under .tools/postfix: run tools/need-postfix"
    if os.geteuid() != 0:
        return "Postfix's master process runs as root only: run `make bench` as root for the comparison"
    return None


def _owner_and_group():
    """A user other than root and nobody to own the queue, and a group that is not that user's, as Postfix demands."""
    for owner in ("postfix", "mail", "daemon"):
        try:
            user = pwd.getpwnam(owner)
        except KeyError:
            continue
        for group in ("postdrop", "games", "nogroup", "tty"):
            try:
                if grp.getgrnam(group).gr_gid != user.pw_gid:
                    return user, group
            except KeyError:
                continue
    raise RuntimeError("no unprivileged user and group for Postfix's queue")


def wait_for_banner(port, deadline):
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                if connection.recv(4) == b"220 ":
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing answered as an SMTP server on port {port}")


class Postfix:
    """One running instance in `home`; a context manager."""

    name = "Postfix"

    def __init__(self, home, port, extra=""):
        self.home, self.port, self.extra = Path(home), port, extra

    def __enter__(self):
        owner, group = _owner_and_group()
        for folder in ("etc", "data", "log", *(f"queue/{queue}" for queue in QUEUES)):
            (self.home / folder).mkdir(parents=True)
        values = dict(
            home=self.home, installed=INSTALLED, libraries=LIBRARIES, owner=owner.pw_name, group=group, extra=self.extra
        )
        (self.home / "etc/main.cf").write_text(MAIN_CF.format(**values))
        (self.home / "etc/master.cf").write_text(MASTER_CF.format(port=self.port))
        (self.home / "etc/dynamicmaps.cf").write_text("")
        for folder in ("data", *(f"queue/{queue}" for queue in QUEUES if queue != "pid")):
            shutil.chown(self.home / folder, owner.pw_uid)
        for folder in (self.home, *self.home.parents):
            # The daemons give up root and still have to reach their queue.
            if folder.owner() == "root" and folder.stat().st_mode & 0o011 == 0:
                folder.chmod(folder.stat().st_mode | 0o011)
        self.process = subprocess.Popen(
            [str(INSTALLED / "usr/lib/postfix/sbin/master"), "-c", str(self.home / "etc")],
            env={**environment(), "MAIL_CONFIG": str(self.home / "etc")},
            stdin=subprocess.DEVNULL,
            stderr=(self.home / "log/master.err").open("w"),
        )
        wait_for_banner(self.port, deadline=time.monotonic() + 30)
        return self

    @property
    def pid(self):
        return self.process.pid

    def accepted(self):
        return sum(len(files) for _, _, files in os.walk(self.home / "queue/hold"))

    def explain(self):
        return "".join(path.read_text()[-2000:] for path in (self.home / "log").iterdir())

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # master ends before the processes it told to end; they hold files in the folder that is removed next.
        time.sleep(0.2)
