"""A person with a browser at the tenant's pages, who was told a code to type."""

import html
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request


class Person:
    """`name` at contoso.test; the password is the name and `-password`."""

    def __init__(self, name):
        self.name = name
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._browser = urllib.request.build_opener(jar)
        self.address, self.page = None, ""

    def open(self, address, form=None):
        data = None if form is None else urllib.parse.urlencode(form).encode()
        try:
            with self._browser.open(urllib.request.Request(address, data=data), timeout=30) as answer:
                self.address, self.page = answer.url, answer.read().decode()
        except urllib.error.HTTPError as refused:
            self.address, self.page = refused.url, refused.read().decode()
        return self.page

    def submit(self, **filled):
        """Fills in and sends the page's form."""
        form = self.page.split("<form ", 1)[1]
        action = urllib.parse.urljoin(self.address, html.unescape(re.search('action="([^"]*)"', form)[1]))
        hidden = re.findall('<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        return self.open(action, {**{name: html.unescape(value) for name, value in hidden}, **filled})

    def enter_code(self, page, code, answer="accept"):
        self.open(page)
        self.submit(user_code=code)
        self.submit(username=f"{self.name}@contoso.test", password=f"{self.name}-password")
        return self.submit(answer=answer)
