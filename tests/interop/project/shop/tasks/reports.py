"""Reports: beat, topics, canvas."""

from celery import chain, chord, group

from shop import journal
from shop.celery import app
from shop.tasks.stock import add, total


@app.task
def tick(source="nobody"):
    journal.write("tick", source=source)


@app.task(bind=True)
def publish(self, topic="other"):
    return [topic, self.request.delivery_info["exchange"].rpartition(".")[2], self.request.delivery_info["routing_key"]]


@app.task(rate_limit="100/s", time_limit=30, priority=3)
def limited(n):
    return n


def monthly(n):
    """A workflow: the sums of pairs, and the sum of these, plus one."""
    return chain(chord([add.s(i, i) for i in range(n)], total.s()), add.s(1))


def spread(n):
    return group(add.si(i, 1) for i in range(n))
