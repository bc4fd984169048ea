"""SMTP servers of others that mail is handed to: aiosmtpd in this process, smtp-sink and Postfix beside it."""

import os
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from bench import postfix
from stage.process import Program, answers, free_ports

USER, PASSWORD = "relay", "sm4rth0st pässword"


class Collector:
    """What arrived: for each message its envelope and its bytes."""

    def __init__(self):
        self.received = []
        self.sessions = set()
        self._lock = threading.Lock()

    async def handle_DATA(self, server, session, envelope):
        with self._lock:
            self.received.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content, envelope.mail_options))
            self.sessions.add(session.peer)
        return "250 2.0.0 Collected"

    def with_marker(self, marker):
        with self._lock:
            return [each for each in self.received if marker in each[2]]


class Aiosmtpd(Controller):
    """A server of the given security that wants USER and PASSWORD if `auth`."""

    def __init__(self, security="none", certificate=None, auth=False, size=0, address="127.0.0.1", port=None, **options):
        self.collector = Collector()
        self.logins = []
        self.security = security
        context = None
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*map(str, certificate))
        self._starttls_context = context if security == "starttls" else None
        self._auth = auth
        self._options = options
        super().__init__(
            self.collector,
            hostname=address,
            port=port or free_ports(1)[0],
            ssl_context=context if security == "implicit" else None,
            data_size_limit=size or 33554432,
        )

    def factory(self):
        return SMTP(
            self.handler,
            hostname="collector.test",
            data_size_limit=self.SMTP_kwargs["data_size_limit"],
            enable_SMTPUTF8=True,
            tls_context=self._starttls_context,
            require_starttls=self.security == "starttls",
            auth_required=self._auth,
            auth_require_tls=self.security == "starttls",
            authenticator=self._login if self._auth else None,
            **self._options,
        )

    def _login(self, server, session, envelope, mechanism, data):
        self.logins.append(mechanism)
        right = data.login.decode() == USER and data.password.decode() == PASSWORD
        # Not handled: the server is to write the refusal itself.
        return AuthResult(success=right, handled=False)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(no_assert=True)


class Sink:
    """`smtp-sink` of Postfix with its switches, such as `-f RCPT`. With `dumps`, what it took can be read."""

    def __init__(self, home, *switches, dumps=False):
        self.port = free_ports(1)[0]
        self.home, self.switches = home, list(switches)
        self.folder = self.home / f"sink-{self.port}"
        if dumps:
            self.folder.mkdir(mode=0o777)
            self.folder.chmod(0o777)
            for place in self.folder.parents:
                # The sink gives up root and still has to reach its folder.
                if place.stat().st_uid == os.geteuid() == 0 and place.stat().st_mode & 0o011 == 0:
                    place.chmod(place.stat().st_mode | 0o011)
            self.switches += ["-d", f"{self.folder}/%s."]

    def __enter__(self):
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        arguments = [*postfix.tool("smtp-sink"), *as_user, *self.switches, f"127.0.0.1:{self.port}", "100"]
        self.program = Program(arguments, self.home / f"sink-{self.port}.log", postfix.environment())
        self.program.wait_for(lambda: answers(self.port))
        return self

    def taken(self):
        """What it wrote of each message: fields for the envelope (`X-Mail-Args`, `X-Rcpt-Args`), then the message, with LF."""
        return [file.read_bytes() for file in sorted(self.folder.iterdir())]

    def __exit__(self, *_):
        self.program.kill()
