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
        self.page.goto(self.url + path)

    def create_the_first_administrator(self, token):
        self.open(f"/setup?token={token}")
        self.fill("User name", NAME)
        self.fill("Password", PASSWORD)
        self.press("Create the administrator")

    def sign_in(self, name=NAME, password=PASSWORD):
        self.open("/sign-in")
        self.fill("User name", name)
        self.fill("Password", password)
        self.press("Sign in")
        self.page.wait_for_url(re.compile(r"^(?!.*/sign-in)"))

    def choose(self, *menu):
        """Goes through the menu, as in choose("Integration", "Connections"): the last word is the link."""
        if self.page.get_by_role("button", name="Menu").is_visible():
            self.page.get_by_role("button", name="Menu").click()
        self.page.get_by_role("navigation", name="Console").get_by_role("link", name=menu[-1], exact=True).click()

    def fill(self, label, text):
        self.page.get_by_label(label, exact=True).fill(text)

    def select(self, label, choice):
        self.page.get_by_label(label, exact=True).select_option(label=choice)

    def tick(self, label):
        self.page.get_by_label(label, exact=True).check()

    def press(self, name):
        """A button, or a link that looks like one."""
        button = self.page.get_by_role("button", name=name, exact=True)
        link = self.page.get_by_role("link", name=name, exact=True)
        button.or_(link).first.click()

    def sees(self, text):
        self.page.get_by_text(text).first.wait_for(timeout=15_000)
        return True
