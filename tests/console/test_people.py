"""Who may come in, how they prove it, and that nobody needs a mouse or a script for it."""

import base64
import hmac
import re
import struct
import subprocess
import time

import pytest

from stage.administrator import NAME, PASSWORD, Administrator


def code_of(secret, moment):
    """The code an authenticator app shows (RFC 6238: SHA-1, six digits, thirty seconds)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(moment) // 30), "sha1")
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def test_the_codes_of_this_file_are_those_of_the_standard():
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert [code_of(secret, moment) for moment in (59, 1_111_111_109, 20_000_000_000)] == ["287082", "081804", "353130"]


@pytest.fixture
def gateway(stage):
    """With one user of each role, all with the same password."""
    ready = stage.gateway()
    for name, role in [(NAME, "administrator"), ("otto", "operator"), ("vera", "viewer")]:
        ready.run("user", "add", name, "--role", role, "--password-stdin", input=PASSWORD + "\n")
    return ready.start()


@pytest.fixture
def somebody(gateway, window):
    """Opens windows of people at the console; none of them may meet an error."""
    people = []

    def come(**options):
        people.append(Administrator(window(**options), gateway.url))
        return people[-1]

    yield come
    assert [trouble for each in people for trouble in each.watch.trouble] == []


def test_the_page_that_was_asked_for_comes_after_the_sign_in(somebody):
    olga = somebody()
    olga.open("/administration/users?from=a-bookmark")
    olga.arrives_at("Sign in")
    olga.fill("User name", NAME)
    olga.fill("Password", PASSWORD)
    olga.press("Sign in")
    olga.arrives_at("Users")
    assert olga.page.url.endswith("/administration/users?from=a-bookmark")
    olga.press("Sign out")
    olga.arrives_at("Sign in")
    olga.open("/messages")
    olga.arrives_at("Sign in")


def fails_to_sign_in(somebody, name, password):
    somebody.fill("User name", name)
    somebody.fill("Password", password)
    with somebody.page.expect_navigation():
        somebody.press("Sign in")
    return somebody.page.get_by_role("alert").inner_text()


def test_a_wrong_password_and_an_unknown_name_are_told_in_the_same_words(somebody):
    stranger = somebody()
    stranger.open("/sign-in")
    wrong = fails_to_sign_in(stranger, NAME, "not the password")
    unknown = fails_to_sign_in(stranger, "nobody-of-that-name", "not the password")
    assert wrong == unknown == "User name, password or code is wrong."
    # The name stays, the password does not.
    assert stranger.value("User name") == "nobody-of-that-name" and stranger.value("Password") == ""


def test_who_guesses_is_told_when_to_try_again_and_nobody_else_is_locked_out(somebody):
    stranger, otto = somebody(), somebody()
    stranger.open("/sign-in")
    told = ""
    for number in range(20):
        told = fails_to_sign_in(stranger, NAME, f"guess {number}")
        if "too many" in told.lower():
            break
    assert re.fullmatch(r"Too many failed sign-ins: try again in \d+ seconds\.", told), told
    otto.sign_in("otto")
    assert otto.button("Sign out").is_visible()


def switch_second_factor_on(olga):
    """Returns the secret and the recovery codes."""
    olga.open("/profile")
    olga.press("Switch second factor on")
    secret = olga.page.locator("#secret").inner_text()
    assert olga.page.locator(".qr svg").is_visible()
    olga.fill("Code that the app shows now", code_of(secret, time.time()))
    olga.press("Switch on")
    olga.arrives_at("Recovery codes")
    return secret, olga.page.locator("#codes").inner_text().split()


def test_a_second_factor_is_switched_on_with_a_code_asked_for_and_replaced_by_a_recovery_code_once(somebody):
    olga, elsewhere = somebody(), somebody()
    olga.sign_in()
    secret, recovery_codes = switch_second_factor_on(olga)
    assert len(recovery_codes) == 10

    def enters(code):
        elsewhere.open("/sign-in")
        assert "Enter your password again" in fails_to_sign_in(elsewhere, NAME, PASSWORD)
        elsewhere.fill("Password", PASSWORD)
        elsewhere.fill("Code of the second factor, or a recovery code", code)
        with elsewhere.page.expect_navigation():
            elsewhere.press("Sign in")
        return elsewhere.menu().count() == 1

    # The next half minute's code: the one of this half minute is used up by switching it on.
    assert enters(code_of(secret, time.time() + 30))
    elsewhere.press("Sign out")
    assert enters(recovery_codes[0])
    elsewhere.press("Sign out")
    assert not enters(recovery_codes[0])
    olga.open("/profile")
    olga.page.once("dialog", lambda dialog: dialog.accept())
    olga.press("Switch second factor off")
    assert olga.sees("The second factor is off.")


def later(offset):
    """What a program is run under whose clock is ahead. Without `faketime` itself, which would stay between it and who ends it."""
    asked = subprocess.run(["faketime", "-f", offset, "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True)
    return ["env", f"LD_PRELOAD={asked.stdout.strip()}", f"FAKETIME={offset}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]


def test_before_secrets_are_changed_who_signed_in_long_ago_says_again_who_they_are(gateway, somebody):
    olga = somebody()
    olga.sign_in()
    olga.page.goto("about:blank")
    gateway.stop()
    gateway.start(under=later("+11m"))
    olga.open("/integration/tenants")
    olga.press("Add Tenant")
    assert olga.sees(f"Please confirm that it is you, {NAME}")
    olga.confirm("not the password")
    assert "wrong" in olga.page.get_by_role("alert").inner_text()
    olga.confirm()
    olga.arrives_at("Add Tenant")
    # Not again for the next.
    olga.open("/administration/users/add")
    olga.arrives_at("Add user")


def test_a_session_is_listed_and_ended_by_an_administrator(somebody):
    olga, otto = somebody(), somebody(user_agent="Otto's browser")
    otto.sign_in("otto")
    olga.sign_in()
    olga.choose("Administration", "Sessions")
    assert olga.row(NAME, "this one").get_by_role("button", name="End").count() == 0
    olga.row("otto", "Otto's browser").get_by_role("button", name="End").click()
    assert olga.sees("The session was ended.")
    assert olga.row("Otto's browser").count() == 0
    otto.open("/messages")
    otto.arrives_at("Sign in")


def test_ones_own_other_sessions_are_ended_from_the_profile(somebody):
    here, there = somebody(), somebody()
    here.sign_in("vera")
    there.sign_in("vera")
    here.open("/profile")
    here.press("End all others")
    assert here.sees("The session was ended.")
    there.open("/")
    there.arrives_at("Sign in")


# What the page of a role must not offer, and addresses that refuse it.
BEYOND = {
    "vera": (
        {
            "/": ["Send test message", "Run the doctor"],
            "/messages": ["Send test message", "Resend", "Retry now", "Hold", "Cancel", "Delete"],
            "/integration/connections": ["Add Service Connection"],
            "/integration/tenants": ["Add Tenant"],
            "/integration/routes": ["Add route"],
            "/integration/accounts": ["Add submission account"],
        },
        ["/doctor", "/test-message", "/settings", "/administration/users", "/administration/audit", "/integration/routes/add"],
    ),
    "otto": (
        {
            "/messages": ["Delete"],
            "/integration/connections": ["Add Service Connection"],
            "/integration/tenants": ["Add Tenant"],
        },
        ["/settings", "/administration/users", "/administration/tokens", "/integration/connections/add"],
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_role_is_shown_no_button_it_may_not_use_and_its_address_refuses_politely(somebody, name):
    person = somebody()
    person.sign_in(name)
    pages, refused = BEYOND[name]
    for path, buttons in pages.items():
        person.open(path)
        assert [button for button in buttons if person.button(button).count()] == [], path
    links = [link.get_attribute("href") for link in person.menu().get_by_role("link").all()]
    for path in refused:
        assert path not in links
        person.open(path)
        heading = person.page.get_by_role("heading", level=1).inner_text()
        assert heading.startswith("This needs the role"), (path, heading)
        assert person.sees("Ask an administrator")


def test_an_added_user_gets_a_password_once_and_changes_it(somebody):
    olga, berta = somebody(), somebody()
    olga.sign_in()
    olga.choose("Administration", "Users")
    olga.press("Add user")
    olga.fill("User name", "berta")
    olga.select("Role", "operator: also retries, holds, cancels and tests")
    olga.press("Add user")
    password = olga.page.locator("#secret").inner_text()
    olga.open("/administration/users")
    assert password not in olga.page.content()
    berta.sign_in("berta", password)
    berta.open("/profile/password")
    berta.fill("Present password", password)
    berta.fill("New password", "another quiet harbour")
    berta.press("Change password")
    assert berta.sees("The password was changed.")
    berta.press("Sign out")
    berta.sign_in("berta", "another quiet harbour")


def test_an_api_token_is_shown_once_and_works_until_it_is_revoked(gateway, somebody):
    olga = somebody()
    olga.sign_in()
    olga.choose("Administration", "API tokens")
    olga.press("Create token")
    olga.fill("Name", "monitoring")
    olga.press("Create token")
    token = olga.page.locator("#secret").inner_text()
    assert gateway.call("GET", "/messages", token=token)[0] == 200
    olga.press("Done")
    olga.row("monitoring").wait_for()
    assert token not in olga.page.content()
    olga.page.once("dialog", lambda dialog: dialog.accept())
    olga.row("monitoring").get_by_role("button", name="Revoke").click()
    assert olga.sees("No API tokens yet")
    assert gateway.call("GET", "/messages", token=token)[0] == 401


def test_the_theme_that_was_chosen_is_there_after_the_page_is_loaded_again(somebody):
    olga = somebody(color_scheme="light")
    olga.sign_in()

    def theme():
        return olga.page.locator("html").get_attribute("data-bs-theme")

    assert theme() == "light"
    olga.press("Light or dark")
    assert theme() == "dark"
    olga.open("/messages")
    assert theme() == "dark"
    # The server wrote it: it is not drawn light first.
    assert 'data-bs-theme="dark"' in olga.page.request.get(olga.url + "/messages").text()


class Keyboard:
    """Somebody without a mouse: goes on with Tab until what is focused has the name."""

    def __init__(self, page):
        self.page = page

    def goes_to(self, name, presses=60):
        for _ in range(presses):
            self.page.keyboard.press("Tab")
            if self.focused_name() == name:
                assert self.focus_is_visible(), f"nobody sees that {name} is focused"
                return
        raise AssertionError(f"{name} is not reached with Tab; the last was {self.focused_name()}")

    def focused_name(self):
        return self.page.evaluate(
            """() => {
                const element = document.activeElement;
                return (element.labels?.[0]?.textContent ?? element.ariaLabel ?? element.textContent ?? "").trim();
            }"""
        )

    def focus_is_visible(self):
        return self.page.evaluate(
            """() => {
                const element = document.activeElement, focused = getComputedStyle(element);
                const shown = [focused.outlineStyle !== "none" && parseFloat(focused.outlineWidth) > 0, focused.boxShadow, focused.borderColor];
                element.blur();
                const blurred = getComputedStyle(element);
                const differs = shown[0] || shown[1] !== blurred.boxShadow || shown[2] !== blurred.borderColor;
                element.focus();
                return differs && element.matches(":focus-visible");
            }"""
        )

    def types(self, text):
        self.page.keyboard.type(text)

    def presses(self, key):
        self.page.keyboard.press(key)


def test_the_sign_in_and_a_form_are_done_with_the_keyboard_alone(gateway, somebody):
    olga = somebody()
    keyboard = Keyboard(olga.page)
    olga.open("/sign-in")
    # The first field has the focus already.
    assert keyboard.focused_name() == "User name" and keyboard.focus_is_visible()
    keyboard.types(NAME)
    keyboard.goes_to("Password")
    keyboard.types(PASSWORD)
    keyboard.goes_to("Sign in")
    keyboard.presses("Enter")
    olga.menu().wait_for()
    # One key to the page itself, past the menu.
    olga.open("/integration/accounts")
    keyboard.goes_to("Skip to the page", presses=1)
    keyboard.presses("Enter")
    assert olga.page.evaluate("() => document.activeElement.id") == "content"
    olga.open("/settings")
    keyboard.goes_to("Enabled")
    assert not olga.page.get_by_label("Enabled", exact=True).is_checked()
    keyboard.presses("Space")
    keyboard.goes_to("Enable SMTP Authentication", presses=1)
    keyboard.presses("Space")
    keyboard.goes_to("Modern Authentication (OAuth 2.0)", presses=1)
    keyboard.presses("Space")
    keyboard.goes_to("Mailbox Email Address", presses=1)
    keyboard.types("no address at all")
    keyboard.goes_to("Save & Close")
    keyboard.presses("Space")
    # The form comes back, and the focus is where it must be mended.
    olga.page.locator("[aria-invalid=true]").wait_for()
    olga.page.wait_for_function("() => document.activeElement.getAttribute('aria-invalid') === 'true'")
    assert keyboard.focused_name() == "Mailbox Email Address"
    keyboard.presses("Control+a")
    keyboard.types("noreply@contoso.test")
    keyboard.presses("Enter")
    assert olga.sees("Saved. It is in effect now.")


def test_everything_works_without_scripts(gateway, somebody):
    olga = somebody(java_script_enabled=False)
    olga.sign_in()
    olga.open("/integration/accounts/add")
    olga.fill("Name", "printer")
    olga.select("Password, for SMTP", "Generated by Postern, shown once")
    olga.press("Save & Close")
    olga.arrives_at("printer")
    # Fields that apply only sometimes are all there.
    olga.open("/settings")
    assert olga.has_field("Mailbox Email Address")
    # A list that follows by itself with scripts is whole without them, and so is what a part of a page is fetched for.
    olga.open("/messages")
    assert olga.sees("No message yet")
    olga.open("/doctor")
    olga.press("Run the checks")
    olga.page.locator("#findings-title").wait_for()
    assert "printer" in gateway.run("export").stdout
