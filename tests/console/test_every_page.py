"""Every page of the console, in a world that has seen everything and in an empty one, light and dark, wide and narrow."""

import re
from urllib.parse import urlsplit

import pytest

from stage.administrator import NAME, Administrator
from stage.browser import hidden_by_scrolling, overflow, screenshots_folder, settled, violations, weight
from stage.process import REPOSITORY

from .world import LONG, EmptyWorld, FullWorld

SCHEMES, WIDTHS = ("light", "dark"), (1280, 360)
MAX_PAGE_BYTES = 150_000

# The addresses with which the router is made: a new page that nobody visits here is noticed.
REGISTERED = re.compile(r'\.(?:open_view|view|sensitive_view)\(\s*"([^"]+)"')

# What answers GET and is no page of its own.
NOT_PAGES = {
    "/events": "a stream that does not end",
    "/messages/export.csv": "a file",
    "/messages/{id}/raw": "a file",
    "/messages/{id}/html": "the inside of a frame on the page of the content, which is visited",
    "/integration/tenants/{id}/certificate.cer": "a file",
    "/sign-in/openid": "leads on to the provider",
    "/sign-in/openid/callback": "where the provider sends people back to",
    "/setup": "there before the first administrator only: visited in a test of its own",
    "/doctor/findings": "a part of the doctor's page",
    "/welcome/test/{id}": "a part of the first run's page",
}

# For each address, the visits: {message:…} stands for the id of the message with that subject, and so on.
VISITS = {
    "/sign-in": ["/sign-in"],
    "/confirm": ["/confirm"],
    "/profile": ["/profile"],
    "/profile/password": ["/profile/password"],
    "/": ["/", "/?range=week"],
    "/messages": [
        "/messages",
        "/messages?rows=200",
        "/messages?show=failed",
        "/messages?q=nothing-is-like-that",
        "/messages?from=contoso&since=2026-01-01T00:00",
        "/messages?to=not-an-address",
    ],
    "/messages/{id}": [
        "/messages/{message:Over HTTP}",
        "/messages/{message:From a mailbox without a licence}",
        "/messages/{message:Refused for good}",
        "/messages/{message:The answer was lost}",
        "/messages/{message:Told to wait}",
        "/messages/{message:On its way}",
        "/messages/{message:Waits for a sign-in}",
        "/messages/{message:Kept back}",
        "/messages/{message:Given up on}",
        "/messages/{message:Damaged on the disk}",
        "/messages/{message:Through a tenant whose secret is wrong}",
        "/messages/{message:Quarterly figures}",
        "/messages/{message:<script>}",
        "/messages/01AAAAAAAAAAAAAAAAAAAAAAAA",
    ],
    "/messages/{id}/content": ["/messages/{message:Invoice with pictures}/content", "/messages/{message:Quarterly figures}/content"],
    "/doctor": ["/doctor"],
    "/administration/audit": ["/administration/audit", "/administration/audit?who=nobody"],
    "/administration/users": ["/administration/users"],
    "/administration/users/add": ["/administration/users/add"],
    "/administration/users/{id}": ["{user:olga}", "{user:" + LONG[:60] + "}"],
    "/administration/tokens": ["/administration/tokens"],
    "/administration/tokens/create": ["/administration/tokens/create"],
    "/administration/sessions": ["/administration/sessions"],
    "/settings": ["/settings"],
    "/settings/notices": ["/settings/notices"],
    "/settings/webhooks": ["/settings/webhooks"],
    "/settings/webhooks/add": ["/settings/webhooks/add"],
    "/settings/webhooks/{id}/edit": ["{webhook:Tickets}", "{webhook:" + LONG + "}"],
    "/settings/sign-in": ["/settings/sign-in"],
    "/test-message": ["/test-message"],
    "/welcome": ["/welcome", "/welcome?test={message:Over HTTP}"],
    "/integration/services": ["/integration/services"],
    "/integration/tenants": ["/integration/tenants"],
    "/integration/tenants/add": ["/integration/tenants/add"],
    "/integration/tenants/{id}": ["{tenant:Contoso}", "{tenant:Fabrikam}", "{tenant:" + LONG + "}"],
    "/integration/tenants/{id}/edit": ["{tenant:Contoso}/edit", "{tenant:" + LONG + "}/edit"],
    "/integration/connections": ["/integration/connections"],
    "/integration/connections/add": ["/integration/connections/add"],
    "/integration/connections/{id}/edit": ["{connection:Contoso Graph}/edit", "{connection:" + LONG + " – Graph}/edit"],
    "/integration/connections/{id}/authentication": [
        "{connection:Contoso Graph}/authentication",
        "{connection:Contoso as Anna}/authentication",
        "{connection:" + LONG + " – Graph}/authentication",
    ],
    "/integration/connections/{id}/scope": [
        "{connection:Contoso Graph}/scope?mailboxes=noreply@contoso.test",
        "{connection:Contoso Graph}/scope?mailboxes=nonsense",
    ],
    "/oauth/callback": ["/oauth/callback?error=access_denied&error_description=AADSTS65004%3A+User+declined&state=unknown"],
    "/integration/routes": ["/integration/routes", "/integration/routes?sender=anna@contoso.test", "/integration/routes?sender=nonsense"],
    "/integration/routes/add": ["/integration/routes/add"],
    "/integration/routes/{id}/edit": ["{route:Throttled}"],
    "/integration/accounts": ["/integration/accounts"],
    "/integration/accounts/add": ["/integration/accounts/add"],
    "/integration/accounts/{id}": ["{account:erp}", "{account:" + LONG + "}"],
    "/integration/accounts/{id}/edit": ["{account:" + LONG + "}/edit"],
}


# What the browser says when the content of a message is not let do what it wants: see test_hostile_mail.py.
MAIL_IS_KEPT_IN = re.compile(r"^console: (Blocked script execution in '[^']*/html'|Loading the image 'http://evil\.test/)")


def registered():
    source = (REPOSITORY / "crates" / "console" / "src" / "pages.rs").read_text()
    return {address for address in REGISTERED.findall(source)}


def test_every_address_that_shows_something_is_visited_or_known_to_be_no_page():
    assert len(registered()) > 40
    assert registered() == VISITS.keys() | NOT_PAGES.keys()


@pytest.fixture(scope="module")
def full(tmp_path_factory, browser, app_keys):
    with FullWorld(tmp_path_factory.mktemp("full"), browser, app_keys[0]) as world:
        yield world


@pytest.fixture(scope="module")
def empty(tmp_path_factory, browser):
    with EmptyWorld(tmp_path_factory.mktemp("empty"), browser) as world:
        yield world


def inspect(administrator, name):
    """Looks at the page as it is, four times, and returns all that is wrong with it."""
    page, wrong = administrator.page, []
    for scheme in SCHEMES:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            settled(page)
            at = f"{scheme}, {width} px: "
            wrong += [at + violation for violation in violations(page)]
            wrong += [at + f"sticks out: {found}" for found in [overflow(page)] if found]
            wrong += [at + f"scrolls sideways: {found}" for found in hidden_by_scrolling(page)]
            page.screenshot(path=screenshots_folder() / f"{name}-{scheme}-{width}.png", full_page=True)
    if weight(page) > MAX_PAGE_BYTES:
        wrong.append(f"weighs {weight(page)} bytes")
    wrong += [trouble for trouble in administrator.watch.trouble if not MAIL_IS_KEPT_IN.search(trouble)]
    administrator.watch.trouble.clear()
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    return wrong


def file_name(visit):
    short = visit.replace(LONG, "long").replace(LONG[:60], "long")
    return re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-")[:80] or "overview"


def visit_page(administrator, address, name):
    answer = administrator.open(address)
    assert answer.status < 500
    # Not on a page that asks something else first.
    assert urlsplit(administrator.page.url).path == urlsplit(address).path
    wrong = inspect(administrator, name)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("visit", [visit for visits in VISITS.values() for visit in visits], ids=file_name)
def test_a_page_in_a_world_that_has_seen_everything(full, visit):
    visit_page(full.administrator, full.address(visit), file_name(visit))


@pytest.mark.parametrize("visit", [address for address in VISITS if "{" not in address], ids=file_name)
def test_a_page_in_an_empty_world(empty, visit):
    visit_page(empty.administrator, visit, "empty-" + file_name(visit))


def found_out(administrator):
    administrator.open("/integration/connections/add")
    administrator.select("Tenant", "New tenant…")
    administrator.press("Save & Close")
    administrator.page.locator("[aria-invalid=true]").first.wait_for()


def nothing_there(administrator):
    administrator.open("/no/such/page")


def new_password(administrator):
    administrator.open("/administration/users")
    administrator.press("otto")
    administrator.page.once("dialog", lambda dialog: dialog.accept())
    administrator.press("Reset password")
    administrator.sees("shown this once")


def new_token(administrator):
    administrator.open("/administration/tokens/create")
    administrator.fill("Name", "looked at")
    administrator.press("Create token")
    administrator.sees("shown this once")


def new_account(administrator):
    administrator.open("/integration/accounts/add")
    administrator.fill("Name", "printer")
    administrator.select("Password, for SMTP", "Generated by Postern, shown once")
    administrator.select("API token, for HTTP", "Generated by Postern, shown once")
    administrator.press("Save & Close")
    administrator.page.locator("#account-password").wait_for()


def second_factor(administrator):
    administrator.open("/profile")
    administrator.press("Switch second factor on")
    administrator.sees("authenticator app")


def on_another_device(administrator):
    administrator.open("/integration/connections")
    administrator.press("Devices")
    administrator.press("Use another device")
    administrator.page.locator("#user-code").wait_for()


def no_other_device(administrator):
    administrator.open("/integration/connections")
    administrator.press("Contoso as Anna")
    administrator.press("Use another device")
    administrator.page.locator(".explanation").wait_for()


def refused_token(administrator):
    administrator.open("/integration/connections")
    administrator.press(f"{LONG} – Graph")
    administrator.press("Test now")
    administrator.sees("There was no token")


def given_token(administrator):
    administrator.open("/integration/connections")
    administrator.press("Contoso Graph")
    administrator.press("Test now")
    administrator.sees("Microsoft gave a token")


def new_certificate(administrator):
    administrator.open("/integration/tenants")
    administrator.press("Contoso")
    administrator.press("Make a key pair")
    administrator.button("Activate").wait_for()


def many_at_once(administrator):
    administrator.open("/messages?show=failed")
    administrator.page.get_by_label("Choose all on this page").check()
    administrator.press("Hold")
    administrator.page.get_by_role("status").first.wait_for()


def diagnosis(administrator):
    administrator.open("/doctor")
    administrator.page.locator("#findings-title").wait_for()


SCENES = [found_out, nothing_there, new_password, new_token, new_account, second_factor, on_another_device, refused_token]
SCENES += [no_other_device, given_token, new_certificate, many_at_once, diagnosis]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_page_that_answers_what_was_done(full, scene):
    scene(full.administrator)
    wrong = inspect(full.administrator, "after-" + scene.__name__.replace("_", "-"))
    assert not wrong, "\n".join(wrong)


def test_pages_of_people_who_are_not_signed_in(stage, window):
    gateway = stage.gateway().start()
    somebody = Administrator(window(), gateway.url)
    somebody.open("/setup")
    wrong = inspect(somebody, "setup")
    somebody.fill("Set-up token", "not it")
    somebody.fill("User name", NAME)
    somebody.fill("Password", "a quiet harbour at dusk")
    somebody.press("Create the administrator")
    somebody.page.get_by_role("alert").wait_for()
    assert wrong + inspect(somebody, "setup-refused") == []


def test_the_menu_on_a_narrow_screen(full):
    page = full.administrator.page
    full.administrator.open("/messages")
    page.set_viewport_size({"width": 360, "height": 800})
    full.administrator.press("Menu")
    page.get_by_role("link", name="Doctor", exact=True).wait_for()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(page) == [] and overflow(page) is None
        page.screenshot(path=screenshots_folder() / f"menu-{scheme}-360.png", full_page=True)
    full.administrator.choose("Administration", "Doctor")
    page.set_viewport_size({"width": 1280, "height": 800})
