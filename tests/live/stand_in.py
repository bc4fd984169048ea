"""The sandbox as it is compared, and the gateway's settings for an account."""

import json

from stage import tenant as stage_tenant
from stage.gateway import ACCOUNT, PASSWORD, TOKEN
from stage.process import free_ports

from .account import Account


class Sandbox(stage_tenant.Sandbox):
    """A sandbox with HTTPS and SMTP whose application has these roles; `account` is how it is asked."""

    def __init__(self, home, authority, roles, more=""):
        [smtp_port] = free_ports(1)
        own_roles = f"roles = {json.dumps(sorted(roles))}"
        settings = stage_tenant.tenant_toml().replace('roles = ["Mail.Send"]', own_roles) + more
        super().__init__(home, settings, authority.leaf("live-sandbox"))
        self.settings += f'smtp_listen = "127.0.0.1:{smtp_port}"\n'
        self.account = Account(
            name="sandbox",
            login=self.https_url,
            graph=self.https_url,
            smtp=f"localhost:{smtp_port}",
            exchange="https://outlook.office365.com",
            tenant_id=stage_tenant.TENANT_ID,
            client_id=stage_tenant.CLIENT_ID,
            client_secret=stage_tenant.CLIENT_SECRET,
            mailbox=stage_tenant.MAILBOX,
            recipient="anna@contoso.test",
            ca=str(authority.ca),
        )


def setup(account):
    """A setup file that sends through the account."""
    own = f'{{ login = "{account.login}", graph = "{account.graph}", smtp = "{account.smtp}" }}'
    cloud = json.dumps(account.cloud) if account.cloud else own
    large = "true" if account.may("Mail.ReadWrite") else "false"
    return f"""\
[[tenant]]
name = "Live"
cloud = {cloud}
tenant_id = "{account.tenant_id}"
client_id = "{account.client_id}"
client_secret = {json.dumps(account.client_secret)}

[[connection]]
name = "Live Graph"
service = "Microsoft Entra ID Graph API"
tenant = "Live"
large_messages = {large}

[emails]
mailbox = "{account.mailbox}"
service_connection = "Live Graph"
connection_type = "graph"
from_policy = "rewrite"

[[account]]
name = "{ACCOUNT}"
password = "{PASSWORD}"
token = "{TOKEN}"
"""
