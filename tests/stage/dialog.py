"""An SMTP client that sends exactly the bytes it is told to: for tests that a well-behaved client cannot express."""

import base64
import re
import socket


class Dialog:
    """One connection. `send` writes bytes, `reply` reads one reply: (code, text)."""

    def __init__(self, door, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", door.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def reply(self):
        lines = []
        while True:
            line = self.reader.readline()
            if not line:
                raise EOFError(f"connection closed after {lines}")
            lines.append(line[4:].decode(errors="replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def command(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def hello(self):
        return self.command("EHLO client.test")

    def login(self, username, password):
        return self.command("AUTH PLAIN " + base64.b64encode(f"\0{username}\0{password}".encode()).decode())

    def envelope(self, sender, *recipients):
        """MAIL FROM and RCPT TO; the last reply."""
        reply = self.command(f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            if reply[0] == 250:
                reply = self.command(f"RCPT TO:<{recipient}>")
        return reply

    def message(self, sender, recipients, content):
        """A whole transaction. `content` is dot-stuffed here and must end in CRLF. The reply to its end."""
        reply = self.envelope(sender, *recipients)
        if reply[0] != 250:
            return reply
        reply = self.command("DATA")
        if reply[0] != 354:
            return reply
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def is_closed(self):
        return self.reader.read(1) == b""


def stuffed(content):
    """Dots doubled at every line's beginning, whatever ends the lines: as the device does that wrote them."""
    return re.sub(rb"(\A|\r\n|\n|\r(?!\n))\.", rb"\1..", content)


def queued_id(reply):
    """The id of `250 2.0.0 Queued as ID`."""
    code, text = reply
    assert code == 250 and "Queued as " in text, reply
    return text.split("Queued as ")[1].split()[0]
