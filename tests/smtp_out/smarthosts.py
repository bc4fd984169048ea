"""Exim, OpenSMTPD and Dovecot's submission service from Debian, run from .tools in a mount namespace of their own.

Each has users and folders compiled in. The namespace shows it a password file that has those users, folders of the test in place of
`/var/spool`, `/var/lib` and `/var/log`, and the server's files as if they were installed; nothing of the machine changes.
"""

import os
import subprocess
import time

from bench.postfix import REPOSITORY, wait_for_banner
from stage.process import Program, free_ports

TOOLS = REPOSITORY / ".tools"
PROGRAMS = {"exim": "usr/sbin/exim4", "opensmtpd": "usr/sbin/smtpd", "dovecot": "usr/sbin/dovecot"}
USERS = ("Debian-exim", "opensmtpd", "opensmtpq", "dovecot", "dovenull")
FIRST_ID = 61000

# The arguments: the test's folder, then the command line.
IN_NAMESPACE = """\
home=$1; shift
mount --bind "$home/passwd" /etc/passwd && mount --bind "$home/group" /etc/group || exit 1
for folder in spool lib log; do mount --bind "$home/$folder" "/var/$folder" || exit 1; done
mount -t overlay overlay -o "lowerdir=$USR:/usr" /usr || exit 1
exec "$@"
"""


def why_not(name):
    """Why the server cannot be run here, or None."""
    if not (TOOLS / name / PROGRAMS[name]).exists():
        return f"{name} is not under .tools: run tools/need-smarthosts"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return f"{name} needs root and a mount namespace of its own"
    return None


class Smarthost:
    """A running server in the folder `home`; a context manager. `onward`: the port that it relays to."""

    def __init__(self, home, onward):
        self.home, self.onward = home, onward
        self.port = free_ports(1)[0]

    def __enter__(self):
        for folder in ("spool/smtpd", "spool/exim4", "lib/opensmtpd/empty", "log/exim4", "run"):
            (self.home / folder).mkdir(parents=True)
        for place in (self.home, *self.home.parents):
            # The daemons give up root and still have to reach their folders.
            if place.stat().st_uid == 0 and place.stat().st_mode & 0o011 == 0:
                place.chmod(place.stat().st_mode | 0o011)
        users = [(name, FIRST_ID + at) for at, name in enumerate(USERS)]
        self._write("passwd", "/etc/passwd", [f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin" for name, number in users])
        self._write("group", "/etc/group", [f"{name}:x:{number}:" for name, number in users])
        for folder in ("spool/exim4", "log/exim4"):
            os.chown(self.home / folder, FIRST_ID, FIRST_ID)
        (self.home / "spool/smtpd").chmod(0o711)
        arguments = ["unshare", "--mount", "sh", "-c", IN_NAMESPACE, "sh", self.home, *self.command()]
        self.program = Program(arguments, self.home / "server.log", {"USR": str(TOOLS / self.name / "usr")})
        try:
            wait_for_banner(self.port, deadline=time.monotonic() + 30)
        except TimeoutError as error:
            raise TimeoutError(self.log()) from error
        return self

    def _write(self, name, original, lines):
        with open(original) as kept:
            (self.home / name).write_text(kept.read() + "\n".join(lines) + "\n")

    def __exit__(self, *_):
        self.program.terminate()

    def log(self):
        """All that the server has written about its sessions."""
        files = [self.home / "server.log", *sorted((self.home / "log/exim4").glob("*"))]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())


class Exim(Smarthost):
    name = "exim"
    CONFIG = """\
primary_hostname = exim.test
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
keep_environment =
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
pipelining_connect_advertise_hosts =
log_selector = +smtp_connection +smtp_confirmation +smtp_incomplete_transaction +8bitmime +pipelining
begin acl
check_mail:
  accept logwrite = CMD $smtp_command
check_rcpt:
  warn logwrite = CMD $smtp_command
  deny local_parts = unknown
       message = 5.1.1 no such user
  defer local_parts = later
       message = 4.2.1 come again
  accept
begin routers
onward:
  driver = manualroute
  route_list = * 127.0.0.1::{onward}
  self = send
  transport = onward
begin transports
onward:
  driver = smtp
begin retry
* * F,1h,5s
"""

    def command(self):
        config = self.home / "exim.conf"
        config.write_text(self.CONFIG.format(port=self.port, onward=self.onward))
        return ["/usr/sbin/exim4", "-C", config, "-bdf", "-q5s"]


class OpenSmtpd(Smarthost):
    name = "opensmtpd"
    CONFIG = """\
listen on 127.0.0.1 port {port} hostname opensmtpd.test
table refused {{ "unknown@x.test" }}
action "onward" relay host smtp://127.0.0.1:{onward}
match from any for rcpt-to <refused> reject
match from any for any action "onward"
"""

    def command(self):
        config = self.home / "smtpd.conf"
        config.write_text(self.CONFIG.format(port=self.port, onward=self.onward))
        return ["/usr/sbin/smtpd", "-d", "-T", "smtp", "-f", config]


class Dovecot(Smarthost):
    """Submission with bearer tokens that `introspection` (a URL ending in `=` or `/`) knows; it relays to the port `onward`."""

    name = "dovecot"
    CONFIG = """\
protocols = submission
base_dir = {home}/run
log_path = /dev/stderr
auth_verbose = yes
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
mail_location = maildir:{home}/mail
hostname = dovecot.test
submission_relay_host = 127.0.0.1
submission_relay_port = {onward}
submission_relay_trusted = no
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  chroot =
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail
}}
"""

    def __init__(self, home, onward, introspection, mechanisms="xoauth2 oauthbearer"):
        super().__init__(home, onward)
        self.introspection, self.mechanisms = introspection, mechanisms

    def command(self):
        (self.home / "mail").mkdir(mode=0o777)
        (self.home / "mail").chmod(0o777)
        (self.home / "oauth2.conf").write_text(
            f"introspection_mode = post\nintrospection_url = {self.introspection}\n"
            "username_attribute = username\nactive_attribute = active\nactive_value = true\nscope = mail.submit\n"
        )
        config = self.home / "dovecot.conf"
        values = dict(home=self.home, port=self.port, onward=self.onward)
        config.write_text(self.CONFIG.format(mechanisms=self.mechanisms, **values))
        return ["/usr/sbin/dovecot", "-F", "-c", config]
