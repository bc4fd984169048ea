"""A network in which nothing but the proxy is reachable: mail leaves all the same, and nothing else does."""

import base64

import pytest

from network.world import BY_EXCHANGE, BY_GRAPH, GATEWAY, GRAPH, LOGIN, PROXY, SMTP, SOCKS_PORT, setup, url
from smtp_out.ways import until
from stage.capture import Capture
from stage.gateway import PASSWORD as ACCOUNT_PASSWORD
from stage.gateway import TOKEN
from stage.process import wait_until
from stage.proxies import PASSWORD, USER
from stage.tenant import CLIENT_SECRET

LARGE = 5_000_000
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode())


def everything_leaves(world, gateway, recipient):
    """One message by each way: small and large through Graph, and by SMTP through Exchange. Returns their markers."""
    sent = []
    for number, (sender, size) in enumerate([(BY_GRAPH, 0), (BY_GRAPH, LARGE), (BY_EXCHANGE, 0)]):
        marker = f"marker-{number}-{recipient[:9]}"
        message_id = world.send(gateway, sender, f"{number}{recipient}", marker, size)
        sent.append((marker, message_id))
    for number, (marker, message_id) in enumerate(sent):
        until(gateway, message_id, {"sent"}, 120)
        delivery = world.arrives(f"{number}{recipient}")
        with world.outside.entered():
            assert marker.encode() in world.tenant.raw(delivery), marker
    return [marker for marker, _ in sent]


def nothing_but(capture, port):
    """Every packet went to the proxy or came from it, and the only question asked on the cable is where it is."""
    assert capture.lost == 0
    carried = 0
    for packet in capture.seen():
        if len(packet) == 1:
            assert packet[0] in (PROXY, GATEWAY), packet
            continue
        assert len(packet) == 5, packet
        source, source_port, destination, destination_port, payload = packet
        assert (PROXY, port) in ((source, source_port), (destination, destination_port)), packet[:4]
        carried += len(payload)
    assert carried > 0.9 * LARGE, "the mail is not in the capture"


def no_secret(capture, markers):
    """Neither a secret nor a word of the mail is to be read on the cable, in clear or in base64."""
    words = [CLIENT_SECRET, TOKEN, ACCOUNT_PASSWORD, "eyJ0eXAi", "eyJhbGci", "Bearer ", *markers]
    streams = capture.streams()
    for word in map(str.encode, words):
        forms = [word, *(base64.b64encode(b"x" * skip + word)[4:-4] for skip in range(3) if len(word) > 8)]
        for ends, said in streams.items():
            for form in forms:
                assert form not in said, f"{word} from {ends}"
    return b"".join(streams.values())


@pytest.mark.parametrize("kind", ["http", "https", "socks5h"])
def test_mail_flows_and_the_cable_holds_no_byte_outside_the_proxy_and_no_secret(world, squid, gateway, recipient, kind, tmp_path):
    certificate = world.authority.leaf("proxy", [PROXY])
    proxy = squid(tls_door=(3129, certificate))
    port = {"http": 3128, "https": 3129, "socks5h": SOCKS_PORT}[kind]
    with world.inside.entered(), Capture(world.cable, tmp_path / "cable.pcap") as capture:
        running = gateway(f'url = "{url(kind, port)}"', setup=setup())
        markers = everything_leaves(world, running, recipient)
        assert running.stop() == 0
    nothing_but(capture, port)
    said = no_secret(capture, markers)
    # What a proxy spoken to in clear is told, anybody on the cable can read: so says docs/networks.md.
    assert (BASIC in said, PASSWORD.encode() in said) == (kind == "http", kind == "socks5h")
    assert (LOGIN.encode() in said) == (kind != "https"), "the names of the hosts"
    if kind != "socks5h":
        tunnels = {f"TCP_TUNNEL/200 CONNECT {host}" for host in (f"{LOGIN}:443", f"{GRAPH}:443", f"{GRAPH}:8443", f"{SMTP}:587")}
        # It notes a tunnel when it ends.
        wait_until(lambda: {line for line in proxy.log() if "CONNECT" in line} == tunnels, 30, lambda: str(proxy.log()))


def test_a_connection_of_its_own_way_needs_nothing_of_the_gateways(world, squid, gateway, recipient):
    squid()
    own = f'proxy = "http://{USER}@{PROXY}:3128"\nproxy_password = "{PASSWORD}"\nca_bundle = {{ file = "{world.authority.ca}" }}'
    running = gateway("", authority=False, setup=setup(own))
    everything_leaves(world, running, recipient)
