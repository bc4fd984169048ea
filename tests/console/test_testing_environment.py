"""A testing environment, switched on in the console: no message reaches whom it is for, and no page lets one forget it."""

import smtplib
from email.message import EmailMessage

from stage.administrator import Administrator
from stage.browser import screenshots_folder
from stage.gateway import setup_toml


def hand_in(gateway, subject):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "erp@contoso.test", "customer@example.test", subject
    message.set_content("Hello\n")
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port) as client:
        client.send_message(message)


def test_mail_is_held_and_goes_to_one_address_while_every_page_says_so(stage, window):
    sandbox = stage.sandbox("")
    gateway = stage.gateway(setup_toml(sandbox.url)).start()
    administrator = Administrator(window(), gateway.url, [sandbox.url])
    administrator.create_the_first_administrator((gateway.data_dir / "setup-token").read_text().strip())
    administrator.choose("Settings", "Edit Global System Settings")
    administrator.tick("Hold all messages")
    administrator.fill("Redirect all messages to", "anna@contoso.test")
    administrator.press("Save & Close")
    assert administrator.sees("Testing environment.")
    hand_in(gateway, "For a customer")
    administrator.page.goto(gateway.url + "/messages")
    administrator.row("For a customer", "customer@example.test", "Held").wait_for()
    assert administrator.sees("Every message is held as it arrives.") and administrator.sees("anna@contoso.test alone")
    for width in (360, 1280):
        administrator.page.set_viewport_size({"width": width, "height": 800})
        administrator.page.screenshot(path=screenshots_folder() / f"testing-environment-{width}.png")
    administrator.press("For a customer")
    administrator.press("Release")
    delivery = sandbox.wait_for_delivery_to("anna@contoso.test")
    assert b"For a customer" in sandbox.raw(delivery)
    assert sandbox.deliveries_to("customer@example.test") == []
    assert administrator.watch.trouble == []
