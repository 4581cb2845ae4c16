"""Stock: plain tasks, shared tasks, a class."""

from celery import Task, shared_task

from shop.base import Connected
from shop.celery import app


@shared_task
def add(x, y):
    return x + y


@shared_task(name="stock.mul")
def mul(x, y):
    return x * y


@shared_task(ignore_result=True)
def forgotten(x):
    return x


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def identity(x):
    return x


@app.task(base=Connected, bind=True)
def kept(self):
    return id(self.connection) == id(self.connection)


@app.task(bind=True)
def annotated(self):
    return self.label


class Inventory(Task):
    """A task that is a class."""

    name = "stock.inventory"
    counts = {"apple": 3}

    def run(self, item, more=0):
        return self.counts.get(item, 0) + more


inventory = app.register_task(Inventory())


@app.task(bind=True)
def whoami(self):
    request = self.request
    return {
        "id": request.id,
        "name": self.name,
        "root": request.root_id,
        "parent": request.parent_id,
        "retries": request.retries,
        "tenant": getattr(request, "tenant", None) or (request.headers or {}).get("tenant"),
        "queue": request.delivery_info["routing_key"],
        "eager": bool(request.called_directly),
        "host": request.hostname,
    }


@app.task(serializer="upside-down")
def read_backwards(**words):
    return words
