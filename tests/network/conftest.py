"""Two pieces of network: inside, where the gateway is, and outside, with Microsoft's stand-in. A cable joins them, at whose far end only the
proxies answer; what is sent anywhere else comes out of the cable, where a capture sees it, and goes nowhere."""

import os
import shutil

import pytest

from network.world import GATEWAY, HOSTS, LINK, NAMES, PROXY, SOCKS_PORT, Tenant, World
from stage import namespaces, proxies


@pytest.fixture(scope="session")
def alone():
    """Skips where no namespaces can be made or the proxies are not there."""
    if os.environ.get("POSTERN_TESTS_WITHOUT_NAMESPACES"):
        pytest.skip("POSTERN_TESTS_WITHOUT_NAMESPACES is set")
    reason = namespaces.why_not()
    if reason:
        pytest.skip(reason)
    if not (proxies.INSTALLED / "usr/sbin/squid").exists():
        pytest.skip("Squid is not under .tools/squid: run tools/need-squid")
    missing = [name for name in ("tcpdump", "microsocks", "nft") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}: run tools/need-debian")


@pytest.fixture(scope="module")
def world(alone, authority, tmp_path_factory):
    home = tmp_path_factory.mktemp("world")
    (home / "hosts").write_text(HOSTS)
    # Nobody is there; a question that is asked nevertheless leaves by the cable.
    (home / "resolv.conf").write_text(f"nameserver {LINK}53\noptions timeout:1 attempts:1\n")
    with namespaces.Namespace("inside") as inside, namespaces.Namespace("outside") as outside:
        cable = namespaces.join(inside, GATEWAY, outside, PROXY)
        inside.run("ip", "route", "add", "default", "via", PROXY)
        outside.run("nft", "-f", _rules(home, cable))
        with outside.entered():
            tenant = Tenant(home / "tenant", authority.leaf("microsoft", NAMES)).__enter__()
            socks = proxies.Microsocks(home, PROXY, SOCKS_PORT, namespaces.with_files(hosts=home / "hosts")).__enter__()
        yield World(home, inside, outside, cable, tenant, authority)
        socks.__exit__()
        tenant.__exit__()


def _rules(home, cable):
    """Through the cable, only what is for the proxies or the server next door."""
    rules = home / "rules.nft"
    rules.write_text(
        f'table inet cable {{\n chain input {{ type filter hook input priority 0; iifname "{cable}" tcp dport {{ 3120-3139, {SOCKS_PORT}, 2526 }} accept; '
        f'iifname "{cable}" drop; }}\n chain forward {{ type filter hook forward priority 0; policy drop; }}\n}}\n'
    )
    return rules


@pytest.fixture
def squid(world):
    """Starts a Squid outside; see `proxies.Squid` for its switches. `prepare` may add files to its folder before."""
    started = []

    def start(**switches):
        switches = {"allowed": NAMES, "hosts": HOSTS, "ports": (443, 587, 8443), **switches}
        prepare = switches.pop("prepare", None)
        with world.outside.entered():
            proxy = proxies.Squid(PROXY, 3128, **switches)
            if prepare:
                prepare(proxy)
            proxy.__enter__()
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.__exit__()


@pytest.fixture
def gateway(world, tmp_path):
    """Starts a gateway inside: its [proxy] section without the authority, and what its setup file says of the connections."""
    started = []

    def start(proxy, authority=True, **setup):
        ready = world.gateway(tmp_path / f"gateway{len(started)}", proxy, authority, **setup)
        started.append(ready)
        return ready

    yield start
    for each in started:
        each.tidy()
