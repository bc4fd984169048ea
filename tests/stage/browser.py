"""A real browser (Debian's Chromium, driven by Playwright) that can reach this machine and nothing else."""

import json
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from .process import REPOSITORY

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Every name but this machine's own leads nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
AXE = REPOSITORY / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
# WCAG 2.2 AA, and what axe's authors call best practice.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Watch:
    """Notes what a page must never do: ask another host, break its own policy, or fail in a script."""

    def __init__(self, page, hosts):
        self.trouble = []
        page.on("request", lambda request: self._request(request, hosts))
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("console", self._said)

    def _request(self, request, hosts):
        if not request.url.startswith(("data:", "blob:", *hosts)):
            self.trouble.append(f"asked elsewhere: {request.url}")

    def _said(self, message):
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.trouble.append(f"console: {message.text}")


def violations(page):
    """What axe finds wrong with the page as it is now, one line each."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)["violations"]
    return [f"{each['id']}: {each['help']}: {json.dumps([node['html'][:200] for node in each['nodes'][:3]])}" for each in found]


def overflow(page):
    """How many pixels wider than the window the page is, and the elements that stick out."""
    return page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return null;
            const out = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > width + 1);
            return {by: document.documentElement.scrollWidth - width, elements: out.slice(0, 5).map(e => e.outerHTML.slice(0, 120))};
        }"""
    )


def screenshots_folder():
    folder = REPOSITORY / "target" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(folder)
