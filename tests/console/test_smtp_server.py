"""The console with a server of one's own as the way out: a user name and a password, without Modern Authentication."""

import smtplib
from email.message import EmailMessage

from smtp_out.servers import PASSWORD, USER, Aiosmtpd
from stage.administrator import Administrator
from stage.process import wait_until


def test_a_smarthost_is_set_up_in_the_console_and_mail_leaves_by_it(stage, window):
    gateway = stage.gateway().start()
    administrator = Administrator(window(), gateway.url)
    administrator.create_the_first_administrator((gateway.data_dir / "setup-token").read_text().strip())
    with Aiosmtpd(auth=True) as server:
        administrator.choose("Integration", "Service Connections", "Connections")
        administrator.press("Add Service Connection")
        administrator.select("Service", "SMTP Server")
        assert not administrator.has_field("Tenant"), "a server of one's own belongs to no tenant"
        administrator.fill("Host", "127.0.0.1")
        administrator.fill("Port", str(server.port))
        administrator.select("Security", "None: for servers on this machine or in a network you trust")
        administrator.fill("User name", USER)
        administrator.press("Setup Authentication")
        assert "no password" in administrator.problem_at("Password")
        administrator.fill("Password", PASSWORD)
        administrator.press("Setup Authentication")
        administrator.arrives_at("Setup Authentication")
        administrator.press("Test now")
        assert administrator.sees("The server takes mail")
        administrator.press("Save & Close")

        administrator.choose("Settings", "Edit Global System Settings")
        for choice in ("Enabled", "Enable SMTP Authentication"):
            administrator.tick(choice)
        administrator.fill("Mailbox Email Address", "noreply@contoso.test")
        administrator.select("Service Connection", "SMTP Server")
        assert not administrator.has_field("SMTP Server Connection Type"), "a password goes by SMTP"
        administrator.press("Save & Close")
        assert administrator.sees("Saved. It is in effect now.")

        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "erp@contoso.test", "anna@example.test", "By the smarthost"
        message.set_content("Hello\n")
        with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port) as client:
            client.send_message(message)
        wait_until(lambda: server.collector.with_marker(b"By the smarthost"), 20, "nothing reached the smarthost")
    assert administrator.watch.trouble == []
