"""Nothing said before TLS counts after it, and no password crosses a line that is not protected."""

import base64
import ssl

from stage.dialog import Dialog


def upgrade(dialog, authority):
    context = ssl.create_default_context(cafile=str(authority.ca))
    dialog.socket = context.wrap_socket(dialog.socket, server_hostname="localhost")
    dialog.reader = dialog.socket.makefile("rb")


def test_commands_sent_together_with_starttls_are_never_carried_out(gateway, authority):
    with Dialog(gateway.doors["starttls"]) as dialog:
        dialog.hello()
        dialog.send(b"STARTTLS\r\nNOOP injected\r\nRSET\r\n")
        assert dialog.reply()[0] == 554
        assert dialog.is_closed()


def test_an_ehlo_before_tls_is_forgotten(gateway, authority):
    with Dialog(gateway.doors["starttls"]) as dialog:
        dialog.hello()
        assert dialog.command("STARTTLS")[0] == 220
        upgrade(dialog, authority)
        assert dialog.command("MAIL FROM:<noreply@contoso.test>")[0] == 503
        assert "STARTTLS" not in dialog.hello()[1]


def test_a_password_is_neither_offered_nor_taken_without_tls(gateway):
    door = gateway.doors["starttls"]
    with Dialog(door) as dialog:
        code, extensions = dialog.hello()
        assert code == 250 and "STARTTLS" in extensions and "AUTH" not in extensions
        secret = base64.b64encode(f"\0{door.username}\0{door.password}".encode()).decode()
        assert dialog.command(f"AUTH PLAIN {secret}")[0] in (502, 503, 504, 530, 538)


def test_mail_is_refused_until_somebody_signed_in(gateway, authority):
    with Dialog(gateway.doors["starttls"]) as dialog:
        dialog.hello()
        assert dialog.command("STARTTLS")[0] == 220
        upgrade(dialog, authority)
        dialog.hello()
        assert dialog.command("MAIL FROM:<noreply@contoso.test>")[0] == 530
