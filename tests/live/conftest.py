"""The live suite: the tenant that the environment names, and a sandbox whose application has the same roles."""

import os
import sys
from pathlib import Path

import pytest

from stage.gateway import Gateway

from . import account, report, stand_in

REPORT = Path(os.environ.get("POSTERN_LIVE_REPORT", Path(__file__).resolve().parents[2] / "target" / "live-report.md"))


@pytest.fixture(scope="session")
def tenant():
    wanting = account.missing()
    if wanting:
        pytest.skip(f"no tenant is named: set {', '.join(wanting)}")
    return account.from_environment()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory, tenant, authority):
    with stand_in.Sandbox(tmp_path_factory.mktemp("sandbox"), authority, tenant.roles) as running:
        yield running.account


@pytest.fixture(scope="session")
def deliveries():
    """Lines about what the gateway delivered, for the report."""
    return []


@pytest.fixture(scope="session")
def comparison(tenant, sandbox, deliveries):
    def progress(line):
        print(line, file=sys.stderr, flush=True)

    result = report.compare(tenant, sandbox, progress)
    yield result
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(report.as_text(result, deliveries))
    print(f"\nThe report is {REPORT}: {len(result.differences)} differences. It names nobody; read it, and send it in.", file=sys.stderr)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, tenant):
    ca = f'[proxy]\nca_bundle = "{tenant.ca}"\n' if tenant.ca else ""
    running = Gateway(tmp_path_factory.mktemp("gateway"), extra_config=ca)
    running.apply(stand_in.setup(tenant))
    running.start()
    yield running
    running.stop()
