"""Every rule learned from another relay names the test that fails without it; the tests it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?!what happened|---)(.+) \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/.]+)::(\w+)`")

ROWS = [(what, NAMED.findall(tests)) for what, _, tests in ROW.findall((ROOT / "docs/peers.md").read_text().partition("## What their users")[0])]


def test_all_rows_are_read():
    assert len(ROWS) == 33


@pytest.mark.parametrize("what, tests", ROWS, ids=[what[:40] for what, _ in ROWS])
def test_the_tests_a_row_names_are_there(what, tests):
    assert tests, what
    for path, name in tests:
        text = (ROOT / path).read_text()
        definition = rf"\bdef {name}\(" if path.endswith(".py") else rf"\bfn {name}\("
        assert re.search(definition, text), f"{path} has no test {name}"
