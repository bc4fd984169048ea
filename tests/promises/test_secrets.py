"""Secrets stay secret: not in the data folder, not in the log, not in what the commands print."""

from stage import tenant
from stage.dialog import Dialog, queued_id
from stage.gateway import PASSWORD, TOKEN, setup_toml

SECRETS = [tenant.CLIENT_SECRET.encode(), PASSWORD.encode(), TOKEN.encode()]


def test_no_secret_is_readable_in_any_file_or_output(stage, recipient):
    sandbox = stage.sandbox()
    gateway = stage.gateway(extra_config='[log]\nlevel = "trace"')
    setup = gateway.apply(setup_toml(sandbox.url))
    gateway.start()
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        dialog.login("erp", PASSWORD)
        queued_id(dialog.message("a@contoso.test", [recipient], b"From: a@contoso.test\r\n\r\nHello\r\n"))
    sandbox.wait_for_delivery_to(recipient)
    outputs = [setup, gateway.run("export"), gateway.run("config", "show"), gateway.run("doctor", check=False)]
    gateway.stop()
    places = {"a command's output": "".join(done.stdout + done.stderr for done in outputs).encode()}
    places["the log"] = gateway.program.log.read_bytes()
    places |= {str(path): path.read_bytes() for path in gateway.data_dir.rglob("*") if path.is_file()}
    found = [(place, secret) for place, content in places.items() for secret in SECRETS if secret in content]
    assert not found
    assert b"eyJ" not in places["the log"], "an access token is in the log"


def test_the_master_key_is_for_its_owner_only(gateway):
    key = gateway.data_dir / "master.key"
    assert key.stat().st_mode & 0o077 == 0
