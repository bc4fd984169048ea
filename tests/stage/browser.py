"""A real browser (Debian's Chromium, driven by Playwright) that can reach this machine and nothing else."""

import json
from contextlib import contextmanager

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
        page.on("response", lambda answer: self._went_out(answer.request, hosts))
        page.on("requestfailed", lambda request: self._went_out(request, hosts))
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("console", self._said)

    def _went_out(self, request, hosts):
        # "csp": stopped by the page's policy before it left.
        if request.failure != "csp" and not request.url.startswith(("data:", "blob:", "about:", *hosts)):
            self.trouble.append(f"asked elsewhere: {request.url}")

    def _said(self, message):
        # A page that says "not found" or "not allowed" is loaded as it should be.
        if message.type == "error" and "the server responded with a status of 4" not in message.text:
            self.trouble.append(f"console: {message.text}")


def settled(page):
    """Until nothing is on its way any more and what changed is drawn."""
    page.wait_for_function("() => document.readyState === 'complete' && !document.querySelector('.htmx-request')")
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def violations(page):
    """What axe finds wrong with the page as it is now, one line each."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    # What is in a frame is other people's mail: how that looks is not ours to judge.
    options = {"runOnly": AXE_TAGS, "resultTypes": ["violations"], "iframes": False}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{each['id']}: {each['help']}: {json.dumps([node['html'][:200] for node in each['nodes'][:3]])}" for each in found]


def overflow(page):
    """How many pixels wider than the window the page is, and the elements that stick out; `None` if none do."""
    return page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return null;
            const out = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > width + 1);
            return {by: document.documentElement.scrollWidth - width, elements: out.slice(0, 5).map(e => e.outerHTML.slice(0, 120))};
        }"""
    )


def hidden_by_scrolling(page):
    """Parts that can only be seen by scrolling them sideways, apart from those that hold wide text on purpose."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main *")]
            .filter(e => /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1)
            .filter(e => !e.matches("pre, textarea"))
            .map(e => `${e.scrollWidth - e.clientWidth} px of ${e.outerHTML.slice(0, 100)}`)"""
    )


def weight(page):
    """Bytes that came over the wire for the page and all it refers to, compressed as the server sends them."""
    return page.evaluate(
        """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
            .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
    )


def screenshots_folder():
    folder = REPOSITORY / "target" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
