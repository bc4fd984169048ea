"""What strangers write is shown and does nothing: it runs no script, asks no host, and changes nothing on the page."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stage.administrator import Administrator
from stage.process import wait_until

from .world import HOSTILE, EmptyWorld, by_subject, hand_in, letter


class Collector:
    """A server that would learn of every picture, script, form and link that is followed."""

    def __enter__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory, browser):
    with EmptyWorld(tmp_path_factory.mktemp("hostile"), browser) as empty:
        yield empty


def html(there):
    """Every way that a page has to ask for something."""
    return f"""<html><head><base href="{there}/base/"><meta http-equiv="refresh" content="0; url={there}/refresh">
<link rel="stylesheet" href="{there}/link.css"><link rel="preconnect prefetch" href="{there}/prefetch">
<style>@import "{there}/import.css"; body {{ background: url({there}/style.png) }} @font-face {{ font-family: x; src: url({there}/font) }}</style>
<script src="{there}/script.js"></script></head>
<body onload="fetch('{there}/onload')" style="background: url({there}/attribute.png); font-family: x">
<h1>Your invoice</h1><img src="{there}/img.png" onerror="fetch('{there}/onerror')"><img srcset="{there}/srcset.png 2x" alt="">
<video src="{there}/video" poster="{there}/poster" autoplay></video><audio src="{there}/audio" autoplay></audio>
<iframe src="{there}/frame"></iframe><object data="{there}/object"></object><embed src="{there}/embed">
<svg><image href="{there}/svg.png"/><use href="{there}/use.svg#x"/></svg><input type="image" src="{there}/input.png">
<table background="{there}/table.png"><tr><td>cell</td></tr></table>
<script>parent.document.title = "taken over"; top.location = "{there}/top"; fetch("{there}/fetch")</script>
<form action="{there}/form" method="post"><button>Pay</button></form><a href="{there}/link" target="_top">Pay here</a></body></html>"""


def test_the_html_of_a_message_asks_for_nothing_runs_nothing_and_leads_nowhere(world, collector):
    administrator = world.administrator
    hand_in(world.gateway, [letter("a@example.test", ["b@example.test"], "An invoice", html=html(collector.url))])
    message = by_subject(world.gateway)["An invoice"]["id"]
    page = administrator.page
    administrator.open(f"/messages/{message}/content")
    frame = page.frame_locator("iframe.mail-frame")
    frame.get_by_role("heading", name="Your invoice").wait_for()
    frame.get_by_text("Pay here").click()
    if frame.get_by_role("button", name="Pay").count():
        frame.get_by_role("button", name="Pay").click()
    # A request of the page itself, after all that the frame could have asked for, and its answer.
    page.evaluate("() => fetch('/profile').then(answer => answer.text())")
    assert collector.asked == []
    assert page.url.endswith("/content") and page.title() == "Content · Postern"
    assert len(page.context.pages) == 1, "the mail opened a window"
    administrator.watch.trouble.clear()


def test_hostile_subjects_names_and_addresses_are_text(world):
    administrator = world.administrator
    strange = '"><script>document.title=1</script>'
    letters = [letter("a@example.test", ["b@example.test"], subject) for subject in HOSTILE]
    named = letter("a@example.test", ["b@example.test"], "With an attachment")
    named.add_attachment(b"x", maintype="text", subtype="html", filename=strange + "\u202egnp.exe")
    hand_in(world.gateway, [*letters, named])
    wait_until(lambda: len(by_subject(world.gateway)) >= len(letters), 20, "not all were taken")
    administrator.open("/messages")
    page = administrator.page
    for subject in HOSTILE[:3]:
        assert page.get_by_role("link", name=subject, exact=True).count() == 1
    # Marks that turn the direction of the text around are made visible instead of being obeyed.
    assert "\u202e" not in page.content()
    for message in by_subject(world.gateway).values():
        administrator.open(f"/messages/{message['id']}")
        assert page.title().endswith("· Postern") and page.locator("main script").count() == 0
    administrator.open(f"/messages/{by_subject(world.gateway)['With an attachment']['id']}/content")
    assert page.get_by_text(strange).count() >= 1 and "\u202e" not in page.content()
    assert administrator.watch.trouble == []


def test_what_was_typed_comes_back_as_text(world):
    administrator: Administrator = world.administrator
    strange = '"><script>document.title="taken over"</script>'
    administrator.page.goto(administrator.url + "/messages?q=" + strange + "&from=" + strange)
    assert administrator.page.locator("#q").input_value() == strange
    administrator.open("/integration/routes?sender=" + strange)
    assert administrator.page.title().endswith("· Postern")
    assert administrator.watch.trouble == []
