"""Requests that enqueue in their transaction, while the worker, the relay, the web server and the broker are killed.

    python tests/chaos/web_outbox.py [--requests 2000] [--database postgresql://…]

Serves examples/django_shop by gunicorn, on a private Redis, with results and outbox in PostgreSQL (a database of its own). Every fourth request is rolled back. At
the end each committed order must have its receipt, and no task may have run for an order that was not there. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos.servers import PrivateRedis, free_port
from conftest import POSTGRESQL, sql_database
from system.processes import eventually

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "examples" / "django_shop"
#: Prints what stands in the database at the end.
_LEDGER = """
import json
from orders.models import Order, Receipt, Stray
from umbel.contrib.django.models import OutboxMessage
orders, receipts = set(Order.objects.values_list("pk", flat=True)), set(Receipt.objects.values_list("order_id", flat=True))
print("LEDGER", json.dumps({"orders": len(orders), "without": len(orders - receipts), "strays": Stray.objects.count(), "outbox": OutboxMessage.objects.count()}))
"""
#: Prints how long one request's transaction takes with and without a call, in milliseconds: the median of many.
_COST = """
import json, statistics, time
from django.db import transaction
from orders.models import Order
from orders.tasks import send_receipt
def once(calls):
    began = time.perf_counter()
    with transaction.atomic():
        order = Order.objects.create(customer="cost", total="1.00")
        if calls:
            send_receipt.delay(order.pk)
    return (time.perf_counter() - began) * 1000
for _ in range(50):
    once(True), once(False)
timed = [(once(False), once(True)) for _ in range(500)]
print("COST", json.dumps([statistics.median(each) for each in zip(*timed)]))
"""


class Shop:
    """The project and its processes."""

    def __init__(self, database: str, broker: str, folder: Path) -> None:
        self.folder, self.cwd = folder, SHOP
        self.port = free_port()
        self.env = {**os.environ, "SHOP_DATABASE": database, "SHOP_BROKER": broker, "SHOP_HOME": str(folder), "SHOP_DEBUG": "0"}
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self.env["PYTHONPATH"] = str(ROOT / "src")
        self.commands = {
            "web": [
                sys.executable, "-m", "gunicorn", "-w", "2", "--threads", "4", "-k", "gthread", "-b", f"127.0.0.1:{self.port}", "shop.wsgi",
            ],
            "worker": [sys.executable, "manage.py", "umbel_worker", "-c", "2", "-l", "warning", "--", "broker_lease=3"],
            "relay": [sys.executable, "manage.py", "umbel_relay"],
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.commands[name], cwd=SHOP, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait(30)

    def run(self, *words: str) -> str:
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=SHOP, env=self.env, capture_output=True, text=True, check=True)
        return done.stdout

    def told(self, word: str, code: str):
        return next(json.loads(line.partition(" ")[2]) for line in self.run("shell", "-c", code).splitlines() if line.startswith(word))

    def ledger(self) -> dict[str, int]:
        """What stands in the database."""
        return self.told("LEDGER", _LEDGER)

    def buy(self, number: int) -> str:
        """Buy; returns ``bought``, ``declined`` or, where nobody knows, ``lost``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = {"customer": f"c{number}", "total": "1.00", **({"card": "declined"} if number % 4 == 0 else {})}
        try:
            connection.request("POST", "/buy", json.dumps(body), {"Content-Type": "application/json"})
            return {201: "bought", 402: "declined"}.get(connection.getresponse().status, "lost")
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return "lost"
        finally:
            connection.close()


def is_quiet(ledger: dict[str, int]) -> bool:
    """Whether all is done that was committed."""
    return not ledger["without"] and not ledger["outbox"]


@contextlib.contextmanager
def shop(database: str) -> Iterator[tuple[Shop, PrivateRedis]]:
    redis = PrivateRedis()
    try:
        with sql_database(database) as url, tempfile.TemporaryDirectory(prefix="umbel-shop-") as folder:
            made = Shop(url.removeprefix("db+").replace("+psycopg", ""), redis.url(), Path(folder))
            made.run("migrate", "-v0")
            for name in made.commands:
                made.start(name)
            eventually(lambda: made.buy(1) == "bought", 60, "the web server")
            try:
                yield made, redis
            finally:
                for name in made.commands:
                    made.kill(name)
    finally:
        redis.close()


def disturb(made: Shop, redis: PrivateRedis, ended: threading.Event, dice: random.Random, counts: dict[str, int]) -> None:
    """Kill one thing after another until told to stop."""
    turns = ["worker", "relay", "broker", "web", "relay", "broker", "worker"]
    while not ended.wait(dice.uniform(0.5, 1.2)):
        what = turns[sum(counts.values()) % len(turns)]
        if what == "broker":
            redis.stop("kill")
            ended.wait(dice.uniform(0.3, 1.5))  # commits go on meanwhile
            redis.start()
        else:
            made.kill(what)
            ended.wait(0.3)
            made.start(what)
        counts[what] = counts.get(what, 0) + 1


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--database", default=POSTGRESQL)
    parser.add_argument("--seed", type=int, default=28)
    given = parser.parse_args()
    with shop(given.database) as (made, redis):
        ended, counts = threading.Event(), dict[str, int]()
        breaker = threading.Thread(target=disturb, args=(made, redis, ended, random.Random(given.seed), counts))
        breaker.start()
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(made.buy, range(given.requests)))
        took = time.monotonic() - began
        ended.set()
        breaker.join()
        for name in made.commands:
            if made.processes[name].poll() is not None:
                made.start(name)
        eventually(lambda: is_quiet(made.ledger()), 90, "quiet")
        ledger = made.ledger()
        for name in ("worker", "relay"):
            made.kill(name)  # else they would take part
        plain, with_call = made.told("COST", _COST)
    print(f"{given.requests} requests in {took:.1f} s: { {word: answers.count(word) for word in sorted(set(answers))} }; killed {counts}")
    print(f"{ledger}; a transaction takes {plain:.2f} ms, with a call {with_call:.2f} ms")
    good = not ledger["without"] and not ledger["strays"] and ledger["orders"] >= answers.count("bought") and with_call - plain <= 1.0
    print("ok" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
