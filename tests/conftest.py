"""One sandbox and one gateway for all tests that only send mail; tests that break something start their own."""

import os
import uuid

import pytest

from stage.browser import chromium
from stage.certificates import Authority, app_certificate
from stage.gateway import Gateway, setup_toml
from stage.process import postern_binary
from stage.tenant import UNLIMITED, Sandbox, tenant_toml


def pytest_sessionstart(session):
    # Nothing that runs here asks the metadata service of the machine the tests happen to run on: a test that wants one
    # names the sandbox's.
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:9"
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET"):
        os.environ.pop(name, None)
    if not postern_binary().exists():
        pytest.exit(f"{postern_binary()} does not exist: run `cargo build -p postern`, or `make test`", returncode=1)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def app_keys(tmp_path_factory):
    """Certificate and key registered with the sandbox's app."""
    return app_certificate(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory, authority, app_keys):
    settings = UNLIMITED + tenant_toml(certificates=[app_keys[0]])
    with Sandbox(tmp_path_factory.mktemp("sandbox"), settings, authority.leaf("sandbox")) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, authority, sandbox):
    running = Gateway(tmp_path_factory.mktemp("gateway"), authority.leaf("gateway"), authority.ca)
    running.apply(setup_toml(sandbox.url))
    running.start()
    yield running
    assert running.is_alive(), running.program.last_words()
    assert running.stop() == 0, running.program.last_words()


@pytest.fixture
def recipient():
    """An address that no other test uses, so that its mail can be found."""
    return f"r{uuid.uuid4().hex}@example.test"


@pytest.fixture
def stage(tmp_path, authority):
    """Makes further sandboxes and gateways, which end with the test."""
    made = []

    class Stage:
        def sandbox(self, settings=None, tls=False):
            running = Sandbox(tmp_path / f"sandbox{len(made)}", settings, authority.leaf(f"sandbox{len(made)}") if tls else None)
            made.append(running)
            return running.__enter__()

        def gateway(self, setup=None, extra_config="", tls=False):
            certificate = authority.leaf(f"gateway{len(made)}") if tls else None
            ready = Gateway(tmp_path / f"gateway{len(made)}", certificate, authority.ca, extra_config)
            made.append(ready)
            if setup:
                ready.apply(setup)
            return ready

    yield Stage()
    for each in reversed(made):
        each.tidy() if isinstance(each, Gateway) else each.__exit__()


@pytest.fixture(scope="session")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def window(browser):
    """Opens browser windows that share nothing; they close with the test."""
    opened = []

    def open_window(**options):
        context = browser.new_context(reduced_motion="reduce", **options)
        opened.append(context)
        context.set_default_timeout(20_000)
        return context.new_page()

    yield open_window
    for context in opened:
        context.close()
