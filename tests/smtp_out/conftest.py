"""Servers and gateways of the tests of the way out by SMTP."""

import pytest

from bench import postfix
from stage.gateway import Gateway


@pytest.fixture
def sinks():
    """smtp-sink and Postfix are unpacked aside by tools/need-postfix."""
    if not (postfix.INSTALLED / "usr/sbin/smtp-sink").exists():
        pytest.skip("Postfix is not under .tools/postfix: run tools/need-postfix")


@pytest.fixture
def gateway_to(tmp_path, authority):
    """Starts a gateway whose settings are the given setup file, and which trusts the tests' authority."""
    started = []

    def start(setup):
        gateway = Gateway(tmp_path / f"gateway{len(started)}", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n')
        started.append(gateway)
        gateway.apply(setup)
        return gateway.start()

    yield start
    for gateway in started:
        gateway.tidy()
