"""Orders: retries, failures, states, limits."""

import time

from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.utils.log import get_task_logger

from shop import journal
from shop.celery import app

logger = get_task_logger(__name__)


class OutOfStock(Exception):
    """One with arguments."""

    def __init__(self, item, wanted):
        self.item, self.wanted = item, wanted
        super().__init__(item, wanted)


@app.task(bind=True, max_retries=3, default_retry_delay=0.1)
def flaky(self, succeed_at):
    if self.request.retries < succeed_at:
        raise self.retry(exc=ConnectionError("away"), countdown=0.1)
    return self.request.retries


@app.task(autoretry_for=(ZeroDivisionError,), retry_kwargs={"max_retries": 2, "countdown": 0.1})
def divide(x, y):
    return x / y


@app.task(bind=True, max_retries=1)
def in_vain(self):
    raise self.retry(countdown=0.1)


@app.task
def fail(item, wanted):
    raise OutOfStock(item, wanted)


@app.task(throws=(KeyError,))
def expected(key):
    raise KeyError(key)


@app.task(bind=True)
def progress(self, steps):
    for step in range(steps):
        self.update_state(state="PROGRESS", meta={"current": step + 1, "total": steps})
        journal.write("step", id=self.request.id, state=self.AsyncResult(self.request.id).state)
    return "done"


@app.task(bind=True)
def own_state(self):
    self.update_state(state="ON_HOLD", meta={"why": "payment"})
    raise Ignore()


@app.task(acks_late=True)
def refused():
    raise Reject("no", requeue=False)


@app.task(soft_time_limit=1)
def slow(seconds):
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "cut short"
    return "in time"


@app.task
def nap(seconds):
    journal.write("nap")
    time.sleep(seconds)
    return seconds


@app.task(bind=True)
def send_mail(self, to):
    logger.info("mail to %s", to)
    return [to, self.request.delivery_info["routing_key"]]


@app.task(bind=True)
def replaced(self, x):
    raise self.replace(self.app.signature("shop.tasks.stock.add", (x, 10)))


@app.task(bind=True)
def nested(self, x):
    result = self.app.signature("shop.tasks.stock.add", (x, 1)).delay()
    journal.write("nested", id=result.id)
    return result.id


@app.task
def on_error(request, exc, traceback):
    journal.write("errback", id=request.id, exc=type(exc).__name__)


@app.task
def on_link(value):
    journal.write("callback", value=value)
    return value
