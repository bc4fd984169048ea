"""An administrator at the console: what they do, in the words of the pages."""

import re

from .browser import Watch

NAME, PASSWORD = "olga", "a quiet harbour at dusk"


class Administrator:
    """Drives one browser window. Every page it passes is watched for requests to other hosts and script errors."""

    def __init__(self, page, url, other_hosts=()):
        self.page = page
        self.url = url
        self.watch = Watch(page, [url, *other_hosts])

    def open(self, path="/"):
        """Returns the answer of the server."""
        return self.page.goto(self.url + path)

    def create_the_first_administrator(self, token):
        self.open(f"/setup?token={token}")
        self.fill("User name", NAME)
        self.fill("Password", PASSWORD)
        self.press("Create the administrator")
        self.menu().wait_for(state="attached")

    def sign_in(self, name=NAME, password=PASSWORD):
        self.open("/sign-in")
        self.fill("User name", name)
        self.fill("Password", password)
        self.press("Sign in")
        self.menu().wait_for(state="attached")

    def confirm(self, password=PASSWORD):
        """Answers the page that comes before secrets are shown or changed."""
        self.fill("Password", password)
        self.press("Confirm")

    def menu(self):
        return self.page.locator("nav[aria-label=Console]")

    def choose(self, *way):
        """Goes through the menu: the last word is a link, those before it are the headings above it."""
        *headings, link = way
        closed = self.page.get_by_role("button", name="Menu", expanded=False)
        if closed.is_visible():
            closed.click()
        below = self.menu()
        for heading in headings:
            below = self.menu().get_by_role("heading", name=heading, exact=True).locator("xpath=following-sibling::*")
        below.get_by_role("link", name=link).first.click()
        self.arrives_at(link)

    def arrives_at(self, heading):
        self.page.get_by_role("heading", level=1, name=heading).wait_for()

    def _field(self, label):
        return self.page.get_by_label(label, exact=True).filter(visible=True)

    def fill(self, label, text):
        self._field(label).fill(text)

    def value(self, label):
        return self._field(label).input_value()

    def select(self, label, choice):
        """In the field of that name which offers the choice: a form within a form may use a name again."""
        offered = self.page.locator("option").filter(has_text=re.compile(f"^{re.escape(choice)}$"))
        self._field(label).filter(has=offered).select_option(label=choice)

    def tick(self, label):
        self._field(label).check()

    def has_field(self, label):
        return self._field(label).count() > 0

    def button(self, name):
        """A button, or a link that looks like one."""
        page = self.page
        return page.get_by_role("button", name=name, exact=True).or_(page.get_by_role("link", name=name, exact=True)).filter(visible=True)

    def press(self, name):
        self.button(name).first.click()

    def sees(self, text):
        self.page.get_by_text(text).filter(visible=True).first.wait_for(timeout=20_000)
        return True

    def problem_at(self, label):
        """The sentence beside a field that was refused."""
        field = self._field(label)
        assert field.get_attribute("aria-invalid") == "true", f"{label} is not marked as wrong"
        described_by = field.get_attribute("aria-describedby").split()[0]
        return self.page.locator(f"#{described_by}").inner_text()

    def row(self, *texts):
        """The line of a table that holds all of these."""
        rows = self.page.get_by_role("row")
        for text in texts:
            rows = rows.filter(has_text=text)
        return rows
