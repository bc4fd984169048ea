"""Hosts that are excepted from the proxy, addresses of IPv6, and names whose addresses change."""

import smtplib

import pytest

from network.world import BY_GRAPH, GATEWAY, GRAPH, LINK, LOGIN, NAMES, PROXY, SMTP, Tenant, letter, setup, url
from smtp_out.servers import Aiosmtpd
from smtp_out.ways import connection, hand_in, until
from stage import namespaces
from stage.dialog import queued_id
from stage.gateway import Gateway
from stage.names import NameServer
from stage.process import wait_until


@pytest.fixture
def lonely(alone):
    """A namespace with nothing but its own loopback interface."""
    with namespaces.Namespace("lonely") as lonely, lonely.entered():
        yield lonely


def test_an_excepted_host_is_reached_without_the_proxy_and_the_others_are_not(world, squid, gateway, recipient):
    proxy = squid()
    with world.outside.entered():
        server = Aiosmtpd(address=PROXY, port=2526).__enter__()
    try:
        server_too = connection("Next door", 2526, host=PROXY)
        route = '[[route]]\nname = "x"\nsender = "near@contoso.test"\nservice_connection = "Next door"\nmailbox = "sender"\n'
        way = f'url = "{url("http", 3128)}"\nno_proxy = ["elsewhere.test", "{LINK}0/24"]'
        running = gateway(way, setup=setup() + server_too + route)
        near, far = (world.send(running, sender, recipient, "x") for sender in ("near@contoso.test", BY_GRAPH))
        until(running, near, {"sent"})
        until(running, far, {"sent"})
        assert [peer[0] for peer in server.collector.sessions] == [GATEWAY]
        # It notes a tunnel when it ends.
        assert running.stop() == 0
        wait_until(lambda: any(LOGIN in line for line in proxy.log()), 30, lambda: str(proxy.log()))
        assert not any("2526" in line for line in proxy.log())
    finally:
        server.__exit__()


def test_mail_comes_in_and_leaves_by_ipv6_alone(lonely, authority, tmp_path, recipient):
    """Listeners on ::1, a tenant behind names that have IPv6 addresses only, and a smarthost that is an address."""
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n" + "".join(f"::1 {name}\n" for name in NAMES))
    tenant = Tenant(tmp_path / "tenant", authority.leaf("six", NAMES), address="[::1]", look="[::1]")
    gateway = Gateway(tmp_path / "gateway", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n', loopback="[::1]")
    lonely.run("ip", "address", "delete", "127.0.0.1/8", "dev", "lo")
    with tenant, Aiosmtpd(address="::1", port=2525) as server:
        literal = connection("Literal", 2525, host="::1")
        route = '[[route]]\nname = "x"\nsender = "literal@contoso.test"\nservice_connection = "Literal"\nmailbox = "sender"\n'
        gateway.apply(setup() + literal + route)
        gateway.start(under=namespaces.with_files(hosts=hosts))
        try:
            ids = []
            for sender in (BY_GRAPH, "anna@contoso.test", "literal@contoso.test"):
                with smtplib.SMTP("::1", gateway.doors["plain"].port, timeout=60) as client:
                    client.ehlo()
                    client.mail(sender)
                    client.rcpt(recipient)
                    code, text = client.data(letter(sender, recipient, "six"))
                    ids.append(queued_id((code, text.decode())))
            for message_id in ids:
                until(gateway, message_id, {"sent"})
            wait_until(lambda: len(tenant.deliveries_to(recipient)) == 2, 30, "not both have arrived")
            assert len(server.collector.received) == 1
        finally:
            gateway.tidy()


def test_the_literal_address_of_a_cloud_may_be_one_of_ipv6(lonely, authority, tmp_path, recipient):
    tenant = Tenant(tmp_path / "tenant", authority.leaf("six", NAMES), address="[::1]", look="[::1]")
    with tenant:
        gateway = Gateway(tmp_path / "gateway")
        here = f"[::1]:{tenant.port}"
        gateway.apply(setup(login=here, graph=here, smtp="[::1]:587", scheme="http"))
        gateway.start()
        try:
            until(gateway, hand_in(gateway, BY_GRAPH, [recipient], letter(BY_GRAPH, recipient, "x")), {"sent"})
        finally:
            gateway.tidy()


def test_a_new_answer_of_the_name_server_holds_from_the_next_connection_on(lonely, tmp_path, authority, recipient):
    """For SMTP and for Graph: the name has moved, and nothing of the gateway is started anew."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    certificate = authority.leaf("moving", NAMES)
    names = {name: "127.0.0.2" for name in (LOGIN, GRAPH, SMTP, "relay.test")}
    first, second = (Tenant(tmp_path / look, certificate, address=look, look=look) for look in ("127.0.0.2", "127.0.0.3"))
    smarthost = connection("Relay", 2525, host="relay.test")
    route = '[[route]]\nname = "x"\nsender = "relay@contoso.test"\nservice_connection = "Relay"\nmailbox = "sender"\n'
    gateway = Gateway(tmp_path / "gateway", extra_config=f'[proxy]\nca_bundle = "{authority.ca}"\n')
    gateway.apply(setup() + smarthost + route)

    def send():
        for sender in (BY_GRAPH, "relay@contoso.test"):
            until(gateway, hand_in(gateway, sender, [recipient], letter(sender, recipient, "x")), {"sent"})

    with NameServer() as server:
        server.addresses.update(names)
        try:
            with first, Aiosmtpd(address="127.0.0.2", port=2525) as old:
                gateway.start(under=namespaces.with_files(resolv_conf=resolver))
                send()
                assert len(first.deliveries_to(recipient)) == len(old.collector.received) == 1
            with second, Aiosmtpd(address="127.0.0.3", port=2525) as new:
                server.addresses.update({name: "127.0.0.3" for name in names})
                send()
                assert len(second.deliveries_to(recipient)) == len(new.collector.received) == 1
        finally:
            gateway.tidy()

