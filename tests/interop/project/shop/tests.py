"""The shop's own tests, for a worker of this project that runs: ``python -m unittest shop.tests``."""

import os
import subprocess
import sys
import time
import unittest

from celery import chain, chord, group, signature, states
from celery.canvas import StampingVisitor
from celery.exceptions import Ignore, MaxRetriesExceededError, TaskRevokedError, TimeoutError
from celery.result import AsyncResult, GroupResult

from shop import journal
from shop.celery import app
from shop.celeryconfig import NAME
from shop.tasks import orders, reports, stock

WORKER = None
T = 30


def setUpModule():
    global WORKER
    words = [
        "worker",
        "-B",
        "-s",
        os.environ["SHOP_JOURNAL"] + ".schedule",
        "-l",
        "info",
        "-n",
        f"shop@{NAME}",
        "--without-gossip",
        "--without-mingle",
    ]
    with open(os.environ["SHOP_JOURNAL"] + ".log", "w") as log:
        WORKER = subprocess.Popen([sys.executable, "-m", "celery", "-A", "shop", *words], stdout=log, stderr=log)
    eventually(lambda: journal.read("worker_ready"), "the worker is ready")


def tearDownModule():
    WORKER.terminate()
    code = WORKER.wait(60)
    assert code == 0, code
    assert [line["kind"] for line in journal.read("step stopped")] == ["step stopped"]


def eventually(read, what):
    end = time.monotonic() + 40
    while not (value := read()):
        if time.monotonic() > end or WORKER.poll() is not None:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.05)
    return value


def of(kind, task_id):
    return [line for line in journal.read(kind) if line["id"] == task_id]


class Calls(unittest.TestCase):
    def test_plain_shared_and_class_based_tasks(self):
        found = [
            stock.add.delay(2, 3),
            stock.mul.delay(2, 3),
            stock.inventory.delay("apple", more=1),
            stock.kept.delay(),
            stock.annotated.delay(),
        ]
        self.assertEqual([result.get(timeout=T) for result in found], [5, 6, 4, True, "from the annotation"])
        self.assertEqual(app.send_task("stock.inventory", ["pear"]).get(timeout=T), 0)
        self.assertEqual(stock.add(1, 1), 2)
        self.assertEqual(stock.add.apply((1, 2)).get(), 3)

    def test_what_a_task_knows_of_itself(self):
        result = stock.whoami.apply_async(headers={"tenant": "umbrella"})
        about = result.get(timeout=T)
        self.assertEqual((about["id"], about["root"], about["parent"]), (result.id, result.id, None))
        self.assertEqual((about["name"], about["retries"], about["queue"], about["eager"]), ("shop.tasks.stock.whoami", 0, NAME, False))
        self.assertEqual((about["tenant"], about["host"]), ("umbrella", f"shop@{NAME}"))

    def test_a_serializer_of_ones_own(self):
        self.assertEqual(stock.read_backwards.delay(a="ä", b=[1]).get(timeout=T), {"a": "ä", "b": [1]})

    def test_results(self):
        result = stock.identity.delay({"x": [1, None, "ü"]})
        self.assertEqual(result.get(timeout=T), {"x": [1, None, "ü"]})
        again = AsyncResult(result.id, app=app)
        self.assertTrue(again.ready() and again.successful() and not again.failed())
        self.assertEqual((again.state, again.result, again.traceback), (states.SUCCESS, {"x": [1, None, "ü"]}, None))
        again.forget()
        self.assertEqual(AsyncResult(result.id, app=app).state, states.PENDING)
        ignored = stock.forgotten.delay(1)
        with self.assertRaises(TimeoutError):
            app.AsyncResult("00000000-0000-4000-8000-000000000000").get(timeout=0.1)
        eventually(lambda: of("postrun", ignored.id), "a task without a result has run")

    def test_times(self):
        late = stock.add.apply_async((1, 2), countdown=0.5)
        gone = stock.add.apply_async((1, 2), expires=-1)
        self.assertEqual(late.get(timeout=T), 3)
        with self.assertRaises(TaskRevokedError):
            gone.get(timeout=T)
        self.assertEqual([line["expired"] for line in eventually(lambda: of("revoked", gone.id), "expired")], [True])


class Routes(unittest.TestCase):
    def test_queues_and_topics(self):
        self.assertEqual(orders.send_mail.delay("a@b").get(timeout=T), ["a@b", f"{NAME}.mail"])
        self.assertEqual(reports.publish.apply_async(kwargs={"topic": "sport"}).get(timeout=T), ["sport", "topics", "news.sport"])
        self.assertEqual(stock.whoami.apply_async(queue=f"{NAME}.mail").get(timeout=T)["queue"], f"{NAME}.mail")
        self.assertEqual(reports.limited.delay(3).get(timeout=T), 3)


class Failures(unittest.TestCase):
    def test_retries(self):
        result = orders.flaky.delay(2)
        self.assertEqual(result.get(timeout=T), 2)
        eventually(lambda: of("on_success", result.id), "the last of three runs")
        self.assertEqual(len(of("before_start", result.id)), 3)
        self.assertEqual([line["exc"] for line in of("on_retry", result.id)], ["ConnectionError"] * 2)
        self.assertEqual(len(of("retried", result.id)), 2)
        with self.assertRaises(ZeroDivisionError):
            orders.divide.delay(1, 0).get(timeout=T)
        with self.assertRaises(MaxRetriesExceededError):
            orders.in_vain.delay().get(timeout=T)

    def test_failures_and_handlers(self):
        result = orders.fail.apply_async(("apple", 5), link_error=orders.on_error.s())
        with self.assertRaises(orders.OutOfStock) as raised:
            result.get(timeout=T)
        self.assertEqual((raised.exception.item, raised.exception.wanted), ("apple", 5))
        self.assertIn("OutOfStock", result.traceback)
        self.assertEqual([line["exc"] for line in eventually(lambda: of("errback", result.id), "an error callback")], ["OutOfStock"])
        self.assertEqual([line["exc"] for line in of("on_failure", result.id)], ["OutOfStock"])
        self.assertEqual(of("failed", result.id)[0]["exception"], "OutOfStock")
        self.assertEqual(orders.fail.delay("pear", 1).get(timeout=T, propagate=False).wanted, 1)
        with self.assertRaises(KeyError):
            orders.expected.delay("k").get(timeout=T)

    def test_states_of_ones_own(self):
        result = orders.progress.delay(3)
        self.assertEqual(result.get(timeout=T), "done")
        self.assertEqual([line["state"] for line in of("step", result.id)], ["PROGRESS"] * 3)
        held = orders.own_state.delay()
        eventually(lambda: held.state == "ON_HOLD", "a state of one's own")
        self.assertEqual(held.info, {"why": "payment"})
        refused = orders.refused.delay()
        eventually(lambda: of("postrun", refused.id), "a task that rejects itself")

    def test_limits(self):
        self.assertEqual(orders.slow.delay(20).get(timeout=T), "cut short")


class Workflows(unittest.TestCase):
    def test_chains_groups_chords(self):
        self.assertEqual(reports.monthly(4).apply_async().get(timeout=T), 13)
        self.assertEqual(sorted(reports.spread(4)().get(timeout=T)), [1, 2, 3, 4])
        self.assertEqual((stock.add.s(1, 2) | stock.add.s(3) | stock.mul.s(2)).delay().get(timeout=T), 12)
        self.assertEqual(chord([stock.add.s(1, 1), stock.add.s(2, 2)])(stock.total.s()).get(timeout=T), 6)
        self.assertEqual(chain(stock.add.s(1, 1), group(stock.add.s(1), stock.add.s(2)), stock.total.s()).delay().get(timeout=T), 7)
        self.assertEqual(sorted(stock.add.chunks([(1, 1), (2, 2), (3, 3)], 2)().get(timeout=T)), [[2, 4], [6]])
        self.assertEqual(stock.add.starmap([(1, 1), (2, 2)]).delay().get(timeout=T), [2, 4])
        self.assertEqual(signature("stock.mul", args=(3, 4), app=app).delay().get(timeout=T), 12)

    def test_links_parents_and_saved_groups(self):
        result = stock.add.apply_async((1, 2), link=orders.on_link.s())
        result.get(timeout=T)
        eventually(lambda: [line for line in journal.read("callback") if line["value"] == 3], "a callback")
        ended = chain(stock.add.s(1, 1), stock.add.s(1), stock.whoami.si()).delay()
        about = ended.get(timeout=T)
        self.assertEqual((about["root"], about["parent"]), (ended.parent.parent.id, ended.parent.id))
        self.assertEqual(ended.parent.get(timeout=T), 3)
        many = reports.spread(3).apply_async()
        many.save()
        self.assertEqual(sorted(GroupResult.restore(many.id, app=app).get(timeout=T)), [1, 2, 3])
        self.assertEqual(orders.replaced.delay(5).get(timeout=T), 15)
        inner = orders.nested.delay(1).get(timeout=T)
        self.assertEqual(app.AsyncResult(inner).get(timeout=T), 2)

    def test_a_chord_whose_member_fails(self):
        result = chord([stock.add.s(1, 1), orders.fail.s("apple", 1)])(stock.total.s())
        with self.assertRaises(Exception) as raised:
            result.get(timeout=T)
        self.assertIn("OutOfStock", repr(raised.exception))


class Control(unittest.TestCase):
    def test_what_the_worker_says(self):
        inspect = app.control.inspect([f"shop@{NAME}"], timeout=5)
        node = f"shop@{NAME}"
        self.assertEqual(inspect.ping(), {node: {"ok": "pong"}})
        registered = inspect.registered()[node]
        self.assertGreaterEqual(len([name for name in registered if name.startswith(("shop.", "stock."))]), 28)
        self.assertEqual({queue["name"] for queue in inspect.active_queues()[node]}, {NAME, f"{NAME}.mail", f"{NAME}.news"})
        self.assertEqual(
            app.control.broadcast("shout", {"word": "hi"}, reply=True, destination=[node], timeout=5), [{node: {"ok": "HI", "node": node}}]
        )
        app.control.broadcast("note", {"topic": "fruit"}, reply=True, destination=[node], timeout=5)
        self.assertEqual([line["topic"] for line in journal.read("noted")], ["fruit"])
        self.assertEqual(len(journal.read("step started")), 1)

    def test_revoking_by_id_and_by_stamp(self):
        node = f"shop@{NAME}"

        class Order(StampingVisitor):
            def on_signature(self, sig, **headers):
                return {"order": "o-17", "stamped_headers": ["order"]}

        running = orders.nap.delay(60)
        eventually(lambda: of("prerun", running.id), "a task runs")
        stamped = stock.add.s(1, 1)
        stamped.stamp(visitor=Order())
        waiting, other = stamped.apply_async(), stock.add.delay(1, 5)
        by_id = stock.add.delay(1, 7)
        app.control.revoke_by_stamped_headers({"order": ["o-17"]}, reply=True, destination=[node], timeout=5)
        app.control.revoke(by_id.id, reply=True, destination=[node], timeout=5)
        running.revoke(terminate=True, signal="SIGKILL")
        for result in (running, waiting, by_id):
            with self.assertRaises(TaskRevokedError):
                result.get(timeout=T)
        self.assertEqual(other.get(timeout=T), 6)
        self.assertEqual([line["terminated"] for line in eventually(lambda: of("revoked", running.id), "terminated")], [True])

    def test_beat_and_children(self):
        eventually(lambda: [line for line in journal.read("tick") if line["source"] == "beat"][1:], "two ticks of beat")
        self.assertGreaterEqual(len(journal.read("worker_process_init")), 1)
        self.assertIn("hourly", app.conf.beat_schedule)


class Settings(unittest.TestCase):
    def test_old_names_are_todays(self):
        self.assertEqual(app.conf.task_default_queue, NAME)
        self.assertEqual(app.conf.CELERY_DEFAULT_QUEUE, NAME)
        self.assertEqual((app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier), (1, 1))
        self.assertEqual(app.conf.result_expires.total_seconds(), 600)
        self.assertTrue(issubclass(type(stock.add), object) and stock.add.name == "shop.tasks.stock.add")
        self.assertIs(Ignore, orders.Ignore)


if __name__ == "__main__":
    unittest.main()
