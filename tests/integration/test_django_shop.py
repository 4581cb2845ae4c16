"""The example of a Django project, on SQLite, as its README says: through a web server, with a worker that is killed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.web_outbox import Shop, is_quiet
from system.processes import eventually


@pytest.fixture
def shop(tmp_path):
    made = Shop("", "", tmp_path)
    made.run("migrate", "-v0")
    made.commands["web"][4] = "1"
    for name in ("web", "worker"):
        made.start(name)
    try:
        yield made
    finally:
        for name in made.processes:
            made.kill(name)


@pytest.mark.slow
def test_an_order_and_its_receipt(shop):
    done = subprocess.run(
        [sys.executable, "manage.py", "test"], cwd=shop.cwd, env=shop.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "OK" in done.stderr, done.stderr
    eventually(lambda: shop.buy(1) == "bought", 60, "the web server")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(shop.buy, range(40)))
        eventually(lambda: shop.ledger()["without"] < 30, 60, "the first receipts")
        shop.kill("worker")
        answers += pool.map(shop.buy, range(40))
        shop.start("worker")
    assert (answers.count("declined"), answers.count("bought")) == (20, 60)
    eventually(lambda: is_quiet(shop.ledger()), 60, "receipts")
    assert shop.ledger() == {"orders": 61, "without": 0, "strays": 0, "outbox": 0}
