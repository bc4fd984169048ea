"""The page that describes the feature, followed word for word: from the first start to a message in a mailbox."""

import smtplib
from email.message import EmailMessage

import pytest

from stage.administrator import Administrator
from stage.process import wait_until
from stage.tenant import CLIENT_ID, CLIENT_SECRET, MAILBOX, TENANT_ID


class FirstStart:
    """A gateway that nobody has set up yet, a tenant, and an administrator who has the page in hand."""

    def __init__(self, stage, window):
        self.sandbox = stage.sandbox("")
        self.gateway = stage.gateway().start()
        self.administrator = Administrator(window(), self.gateway.url, [self.sandbox.url])

    def token(self):
        return (self.gateway.data_dir / "setup-token").read_text().strip()


@pytest.fixture
def first_start(stage, window):
    start = FirstStart(stage, window)
    yield start
    assert start.administrator.watch.trouble == []


def log_in_to_the_administration_area(start):
    start.administrator.create_the_first_administrator(start.token())


def add_a_service_connection(start, permission_type):
    """"Service Connection", steps 1 to 6."""
    administrator, sandbox = start.administrator, start.sandbox
    # Proceed to Integration navigation Item → Service Connections → choose Connections
    administrator.choose("Integration", "Service Connections", "Connections")
    # 1. To start configuration, click Add Service Connection action
    administrator.press("Add Service Connection")
    administrator.arrives_at("Add Service Connection")
    # 2. Fill out the required fields
    # 3. In the Service field, select Microsoft Entra ID Graph API object, which is available by default
    administrator.select("Service", "Microsoft Entra ID Graph API")
    # 4. In the Tenant field, proceed with creating a new tenant. Fill out the name.
    administrator.select("Tenant", "New tenant…")
    administrator.fill("Tenant name", "Contoso")
    # 5. In the Service field choose Microsoft Entra ID with OAuth Authentication Type
    administrator.select("Service", "Microsoft Entra ID")
    administrator.select("Authentication Type", "OAuth")
    # 6. For Client ID, Tenant ID, and Client Secret, login to Microsoft Azure Portal
    administrator.fill("Client ID", CLIENT_ID)
    administrator.fill("Tenant ID", TENANT_ID)
    administrator.fill("Client Secret", CLIENT_SECRET)
    # The portal of this test is the sandbox, so the tenant's cloud has endpoints of its own.
    administrator.select("Cloud", "Endpoints of my own (sandbox, private link)")
    administrator.fill("Sign-in endpoint", sandbox.url)
    administrator.fill("Graph endpoint", sandbox.url)
    administrator.select("Permission type", permission_type)
    # The name for your Service Connection is auto-generated, but you can modify it if necessary.
    assert administrator.value("Name") == "Microsoft Entra ID Graph API – Contoso"


def setup_authentication_as_the_app(start):
    """"Service Connection", steps 7 and 8, without a person."""
    administrator = start.administrator
    # 7. To finalize the Service Connection configuration, click Setup Authentication.
    administrator.press("Setup Authentication")
    administrator.arrives_at("Setup Authentication")
    administrator.press("Test now")
    assert administrator.sees("Microsoft gave a token") and administrator.sees("Mail.Send")
    # 8. When Service Connection Authentication has been successfully fulfilled, click Save & Close.
    administrator.press("Save & Close")
    administrator.arrives_at("Connections")


def setup_authentication_with_a_person(start, user):
    """"Service Connection", steps 7 and 8: the person signs in at the tenant and consents."""
    administrator = start.administrator
    # 7. To finalize the Service Connection configuration, click Setup Authentication.
    administrator.press("Setup Authentication")
    administrator.arrives_at("Setup Authentication")
    assert administrator.value("Redirect URI, to be entered in the app registration (Authentication → Web)") == (
        start.gateway.url + "/oauth/callback"
    )
    administrator.press("Sign in with Microsoft")
    administrator.page.wait_for_url(start.sandbox.url + "/**")
    administrator.fill("User name", user)
    administrator.fill("Password", user.partition("@")[0] + "-password")
    administrator.press("Sign in")
    administrator.press("Accept")
    # 8. When Service Connection Authentication has been successfully fulfilled, click Save & Close.
    assert administrator.sees("Authentication has been set up.") and administrator.sees(user)
    administrator.press("Save & Close")
    administrator.arrives_at("Connections")


def open_the_emails_view(start):
    """"E-mail Settings": in Administration area, open Settings → Edit Global System Settings. In the Emails view: …"""
    administrator = start.administrator
    administrator.choose("Settings", "Edit Global System Settings")
    assert administrator.page.get_by_role("link", name="Emails", exact=True).get_attribute("aria-current") == "page"


def fill_in_the_emails_view(start, mailbox, connection_type):
    administrator = start.administrator
    # Each field appears once the one before it makes it apply.
    assert not administrator.has_field("Enable SMTP Authentication")
    administrator.tick("Enabled")
    assert not administrator.has_field("Modern Authentication (OAuth 2.0)")
    administrator.tick("Enable SMTP Authentication")
    assert not administrator.has_field("SMTP Server Connection Type")
    administrator.tick("Modern Authentication (OAuth 2.0)")
    administrator.fill("Mailbox Email Address", mailbox)
    administrator.select("Service Connection", "Microsoft Entra ID Graph API – Contoso")
    administrator.select("SMTP Server Connection Type", connection_type)
    # Click Save & Close to finalize the configuration and save changes.
    administrator.press("Save & Close")


def emailing_is_working(start, recipient):
    """"Now your platform emailing is working": a message arrives, and the page that shows it says so by itself."""
    administrator, gateway = start.administrator, start.gateway
    administrator.page.goto(gateway.url + "/messages")
    assert administrator.sees("No message yet")
    administrator.page.evaluate("() => { window.sameDocument = true; }")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "erp@contoso.test", recipient, "Emailing is working"
    message.set_content("As the page says.\n")
    with smtplib.SMTP("127.0.0.1", gateway.doors["plain"].port) as client:
        client.send_message(message)
    delivery = start.sandbox.wait_for_delivery_to(recipient)
    assert b"Emailing is working" in start.sandbox.raw(delivery)
    administrator.row("Emailing is working", recipient, "Sent").wait_for()
    assert administrator.page.evaluate("() => window.sameDocument"), "the list was loaded again instead of following"
    return delivery


def test_the_page_followed_with_a_person_who_signs_in(first_start, recipient):
    log_in_to_the_administration_area(first_start)
    add_a_service_connection(first_start, "Delegated: a person signs in once, mail leaves on their behalf")
    setup_authentication_with_a_person(first_start, "anna@contoso.test")
    open_the_emails_view(first_start)
    fill_in_the_emails_view(first_start, "anna@contoso.test", "Microsoft Graph")
    assert first_start.administrator.sees("Saved. It is in effect now.")
    delivery = emailing_is_working(first_start, recipient)
    assert delivery["mailbox"] == "anna@contoso.test"


def test_the_page_followed_as_the_application(first_start, recipient):
    log_in_to_the_administration_area(first_start)
    add_a_service_connection(first_start, "Application: Postern signs in as the app, without a person")
    setup_authentication_as_the_app(first_start)
    open_the_emails_view(first_start)
    fill_in_the_emails_view(first_start, MAILBOX, "Microsoft Graph")
    assert first_start.administrator.sees("Saved. It is in effect now.")
    delivery = emailing_is_working(first_start, recipient)
    assert delivery["mailbox"] == MAILBOX


def test_smtp_as_connection_type_is_refused_beside_its_field_and_nothing_changes(first_start):
    log_in_to_the_administration_area(first_start)
    add_a_service_connection(first_start, "Application: Postern signs in as the app, without a person")
    setup_authentication_as_the_app(first_start)
    before = first_start.gateway.run("export").stdout
    open_the_emails_view(first_start)
    fill_in_the_emails_view(first_start, MAILBOX, "SMTP")
    problem = first_start.administrator.problem_at("SMTP Server Connection Type")
    assert "does not fit the chosen Service Connection" in problem and "Choose Microsoft Graph" in problem, problem
    # What was typed is still there, so that one other choice mends it.
    assert first_start.administrator.value("Mailbox Email Address") == MAILBOX
    assert first_start.gateway.run("export").stdout == before
    first_start.administrator.select("SMTP Server Connection Type", "Microsoft Graph")
    first_start.administrator.press("Save & Close")
    assert first_start.administrator.sees("Saved. It is in effect now.")


def test_the_token_of_the_first_start_works_once(first_start, window):
    token = first_start.token()
    log_in_to_the_administration_area(first_start)
    wait_until(lambda: not (first_start.gateway.data_dir / "setup-token").exists(), 10, "the token is still there")
    second = Administrator(window(), first_start.gateway.url)
    second.open(f"/setup?token={token}")
    second.arrives_at("Sign in")
