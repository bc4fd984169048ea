"""Who is where, and the ways of the gateway's mail."""

import urllib.parse

from smtp_out.ways import hand_in
from stage import tenant
from stage.gateway import ACCOUNT, PASSWORD, TOKEN, Gateway
from stage.namespaces import with_files
from stage.process import Program, answers, free_ports
from stage.proxies import PASSWORD as PROXY_PASSWORD
from stage.proxies import USER as PROXY_USER

LINK = "10.77.0."
PROXY, GATEWAY = f"{LINK}1", f"{LINK}2"
SOCKS_PORT = 1080
# Microsoft's addresses are known outside alone.
LOGIN, GRAPH, SMTP = NAMES = ("login.microsoft.test", "graph.microsoft.test", "smtp.microsoft.test")
HOSTS = "127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in NAMES)
# Whose mail takes which way.
BY_GRAPH, BY_EXCHANGE = "noreply@contoso.test", "anna@contoso.test"


class Tenant(tenant.Sandbox):
    """Microsoft's stand-in under its own names: HTTPS at 443, uploads at 8443, submission at 587."""

    def __init__(self, home, certificate, address="0.0.0.0", look="127.0.0.1"):
        roles = tenant.tenant_toml().replace('["Mail.Send"]', '["Mail.Send", "Mail.ReadWrite", "SMTP.SendAsApp"]')
        super().__init__(home, tenant.UNLIMITED + roles)
        self.settings += (
            f'[listener]\nhttps_listen = "{address}:443"\nupload_listen = "{address}:8443"\nsmtp_listen = "{address}:587"\n'
            f'[token]\ngraph_resources = ["https://{GRAPH}"]\n'
        )
        self.files, self.look = certificate, look
        self.port = free_ports(1)[0]
        self.url = f"http://{look}:{self.port}"

    def __enter__(self):
        config = self.home / "sandbox.toml"
        config.write_text(self.settings)
        arguments = [tenant.postern_binary(), "sandbox", "--listen", f"{self.look}:{self.port}", "--config", config]
        arguments += ["--tls-cert", self.files[0], "--tls-key", self.files[1]]
        self.program = Program(arguments, self.home / "sandbox.log")
        self.program.wait_for(lambda: answers(self.port, self.look.strip("[]")))
        return self


def setup(network="", login=LOGIN, graph=GRAPH, smtp=f"{SMTP}:587", scheme="https"):
    """Graph for everybody, with large messages; Exchange for BY_EXCHANGE. `network`: what both connections say of theirs."""
    return f"""\
[[tenant]]
name = "Contoso"
cloud = {{ login = "{scheme}://{login}", graph = "{scheme}://{graph}", smtp = "{smtp}" }}
tenant_id = "{tenant.TENANT_ID}"
client_id = "{tenant.CLIENT_ID}"
client_secret = "{tenant.CLIENT_SECRET}"

[[connection]]
name = "Graph"
service = "Microsoft Entra ID Graph API"
tenant = "Contoso"
large_messages = true
{network}

[[connection]]
name = "Exchange"
service = "Microsoft Entra ID Exchange"
tenant = "Contoso"
{network}

[emails]
mailbox = "{BY_GRAPH}"
service_connection = "Graph"
connection_type = "graph"
from_policy = "keep"

[[route]]
name = "By Exchange"
sender = "{BY_EXCHANGE}"
service_connection = "Exchange"
mailbox = "sender"

[[account]]
name = "{ACCOUNT}"
password = "{PASSWORD}"
token = "{TOKEN}"
"""


def url(scheme, port, password=PROXY_PASSWORD, user=PROXY_USER):
    """The proxy's URL with every character of the password encoded that could be taken for another thing."""
    return f"{scheme}://{user}:{urllib.parse.quote(password, safe='')}@{PROXY}:{port}"


def letter(sender, recipient, marker, size=0):
    """A message; with a `size`, it has an attachment that needs an upload session."""
    head = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {marker}\r\nMIME-Version: 1.0\r\n"
    if not size:
        return (head + f"\r\nThe text of {marker}.\r\n").encode()
    line = (marker * 8)[:72] + "\r\n"
    attached = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n" + line * (size // len(line))
    return (head + f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nThe text of {marker}.\r\n--b\r\n{attached}\r\n--b--\r\n").encode()


class World:
    def __init__(self, home, inside, outside, cable, tenant, authority):
        self.home, self.inside, self.outside, self.cable = home, inside, outside, cable
        self.tenant, self.authority = tenant, authority

    def gateway(self, home, proxy, authority=True, setup=None):
        """A gateway inside, which knows no name server that answers."""
        bundle = f'ca_bundle = "{authority if authority is not True else self.authority.ca}"\n' if authority else ""
        with self.inside.entered():
            gateway = Gateway(home, extra_config=f"[proxy]\n{proxy}\n{bundle}")
            gateway.under = with_files(resolv_conf=self.home / "resolv.conf")
            if setup:
                gateway.apply(setup)
            gateway.start(under=gateway.under)
        return gateway

    def send(self, gateway, sender, recipient, marker, size=0):
        with self.inside.entered():
            return hand_in(gateway, sender, [recipient], letter(sender, recipient, marker, size))

    def arrives(self, recipient, seconds=60):
        with self.outside.entered():
            return self.tenant.wait_for_delivery_to(recipient, seconds)
