"""What stands in the way is named, with what to do about it."""

import json

import pytest

from network.world import BY_EXCHANGE, BY_GRAPH, GRAPH, LOGIN, NAMES, PROXY, SMTP, SOCKS_PORT, setup, url
from smtp_out.ways import until
from stage.certificates import Authority
from stage.names import NameServer
from stage.process import wait_until
from stage.proxies import PASSWORD


def explained(world, gateway, sender, recipient):
    """What the queue says of a message that cannot leave."""
    message_id = world.send(gateway, sender, recipient, "refused")
    message = until(gateway, message_id, {"queued"})
    text = json.dumps(message, ensure_ascii=False)
    assert PASSWORD not in text
    return text


@pytest.mark.parametrize("sender", [BY_GRAPH, BY_EXCHANGE])
@pytest.mark.parametrize("kind, port", [("http", 3128), ("socks5h", SOCKS_PORT)])
def test_a_wrong_password_names_the_proxy_and_where_it_is_corrected(world, squid, gateway, recipient, sender, kind, port):
    squid()
    text = explained(world, gateway(f'url = "{url(kind, port, "wrong")}"', setup=setup()), sender, recipient)
    assert f"the proxy {PROXY}:{port} does not accept the user name and password" in text
    assert "Correct user name and password in url in [proxy]" in text
    assert kind == "socks5h" or "407" in text


def test_a_missing_password_is_told_apart(world, squid, gateway, recipient):
    squid()
    text = explained(world, gateway(f'url = "http://{PROXY}:3128"', setup=setup()), BY_GRAPH, recipient)
    assert f"the proxy {PROXY}:3128 wants a user name and password (407" in text


@pytest.mark.parametrize(
    "sender, allowed, refused",
    [
        (BY_GRAPH, (GRAPH, SMTP), f"{LOGIN}:443"),
        (BY_GRAPH, (LOGIN, SMTP), f"{GRAPH}:443"),
        (BY_EXCHANGE, (LOGIN, GRAPH), f"{SMTP}:587"),
    ],
)
def test_a_host_that_is_not_on_the_allow_list_is_named(world, squid, gateway, recipient, sender, allowed, refused):
    squid(allowed=allowed)
    text = explained(world, gateway(f'url = "{url("http", 3128)}"', setup=setup()), sender, recipient)
    assert f"the proxy {PROXY}:3128 does not allow connections to {refused} (403 Forbidden)" in text
    assert f"Allow CONNECT to {refused} in the rules of the proxy" in text


def test_a_name_that_the_proxy_does_not_know_is_the_proxys_trouble(world, squid, gateway, recipient):
    squid(hosts="127.0.0.1 localhost\n")
    with world.outside.entered():
        knows_nobody = NameServer()
    with knows_nobody:
        text = explained(world, gateway(f'url = "{url("http", 3128)}"', setup=setup()), BY_GRAPH, recipient)
    assert LOGIN in knows_nobody.asked
    assert f"the proxy {PROXY}:3128 could not connect to {LOGIN}:443 (500 Internal Server Error)" in text


def test_a_proxy_that_is_not_there_is_named_instead_of_microsoft(world, gateway, recipient):
    text = explained(world, gateway(f'url = "{url("http", 3139)}"', setup=setup()), BY_GRAPH, recipient)
    assert f"the proxy {PROXY}:3139 cannot be reached: Connection refused" in text


@pytest.mark.parametrize("sender, host", [(BY_GRAPH, LOGIN), (BY_EXCHANGE, SMTP)])
def test_without_a_proxy_the_name_is_unknown_and_the_fix_speaks_of_proxies(world, gateway, recipient, sender, host):
    text = explained(world, gateway("", setup=setup()), sender, recipient)
    assert f"the name {host} cannot be resolved here" in text and "set url in [proxy]" in text, text


def inspecting(world, squid, proxy_authority):
    """A Squid that looks into TLS with certificates of an authority of its own. SMTP begins in clear, and is let through."""

    def prepare(proxy):
        proxy.add(proxy_authority.ca, "authority.pem")
        proxy.add(proxy_authority.key, "authority.key")
        proxy.add(world.authority.ca, "trusted.pem")

    return squid(
        door="ssl-bump tls-cert=HOME/authority.pem tls-key=HOME/authority.key generate-host-certificates=on",
        more="sslcrtd_program HOME/security_file_certgen -s HOME/made -M 4MB\ntls_outgoing_options cafile=HOME/trusted.pem\n"
        "acl submission port 587\nacl step1 at_step SslBump1\nssl_bump none submission\nssl_bump peek step1\nssl_bump bump all",
        # What it can look into are requests of their own.
        tunnels_only=False,
        prepare=prepare,
        allowed=NAMES,
    )


def test_a_proxy_that_looks_into_tls_is_trusted_by_its_authority_and_else_not(world, squid, gateway, recipient, tmp_path):
    (tmp_path / "proxy").mkdir()
    proxy_authority = Authority(tmp_path / "proxy")
    proxy = inspecting(world, squid, proxy_authority)
    way = f'url = "{url("http", 3128)}"'
    text = explained(world, gateway(way, setup=setup()), BY_GRAPH, recipient)
    assert f"the certificate of {LOGIN} is not trusted: nobody trusted here has issued it" in text
    assert "ca_bundle" in text and "If a proxy looks into TLS" in text
    both = tmp_path / "both.pem"
    both.write_text(proxy_authority.ca.read_text() + world.authority.ca.read_text())
    running = gateway(way, authority=both, setup=setup())
    for sender in (BY_GRAPH, BY_EXCHANGE):
        message_id = world.send(running, sender, recipient, "inspected")
        until(running, message_id, {"sent"})
    looked = f"POST https://{GRAPH}/v1.0/users/"
    wait_until(lambda: any(looked in line for line in proxy.log()), 30, "it has not looked into anything")
