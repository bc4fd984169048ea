"""What a client is asked to send, and whether that is what arrived."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path


@dataclass(frozen=True)
class Letter:
    sender: str
    recipient: str
    subject: str
    text: str
    attachment: Path | None = None

    def as_message(self):
        """The letter as Python writes it, for clients that send ready-made messages."""
        message = EmailMessage(policy=email.policy.SMTP)
        message["From"], message["To"], message["Subject"] = self.sender, self.recipient, self.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="client.test")
        message.set_content(self.text)
        if self.attachment:
            message.add_attachment(
                self.attachment.read_bytes(), maintype="application", subtype="octet-stream", filename=self.attachment.name
            )
        return message


ATTACHMENT = bytes(range(256)) * 20 + b"\r\n.\r\nFrom here\r\n.leading dot\r\n"


def letters(folder, recipient):
    """One letter of each kind, by name."""
    attachment = Path(folder) / "report.bin"
    attachment.write_bytes(ATTACHMENT)
    sender = "noreply@contoso.test"
    return {
        "ascii": Letter(sender, recipient, "Backup finished", "All is well.\n.\n..two dots\n"),
        "utf8": Letter(sender, recipient, "Grüße aus Köln – 日本語", "Übermäßig schöne Zeichen: 日本語, €, 𝄞\n"),
        "attachment": Letter(sender, recipient, "The report", "See attached.\n", attachment),
    }


def subject_of(raw):
    """The decoded subject; raw UTF-8 in the field, as some mailers write it, is understood too."""
    header = raw.partition(b"\r\n\r\n")[0]
    field = re.search(rb"^Subject:((?:.*\r\n[ \t])*.*)", header, re.MULTILINE | re.IGNORECASE)
    return str(make_header(decode_header(field[1].replace(b"\r\n", b"").strip().decode())))


def texts_of(raw):
    """Every text part, decoded, in one string with LF line ends."""
    message = email.message_from_bytes(raw)
    found = []
    for part in message.walk():
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            found.append(payload.decode(part.get_content_charset() or "utf-8", "replace"))
    return "\n".join(found).replace("\r\n", "\n")


def attachments_of(raw):
    message = email.message_from_bytes(raw)
    return {part.get_filename(): part.get_payload(decode=True) for part in message.walk() if part.get_filename()}
