"""One HTTP request, as it comes: no redirect followed, no retry, no status an exception."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def code(self):
        """Graph's error code; "" for an answer without one."""
        error = self.json().get("error")
        return error.get("code", "") if isinstance(error, dict) else ""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def call(method, url, body=None, headers=None, ca=None):
    context = ssl.create_default_context(cafile=ca)
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with opener.open(request, timeout=DEADLINE_SECONDS) as answer:
            return _read(answer)
    except urllib.error.HTTPError as error:
        return _read(error)


def _read(answer):
    return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
