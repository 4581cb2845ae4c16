"""The app of ``umbel demo --dashboard``: a small shop whose tasks succeed, fail, are retried, and follow one another. Environment variables name its database."""

from __future__ import annotations

import random
import time
from typing import Any, Final

from umbel.app.app import Umbel
from umbel.canvas.signatures import chain, chord, group
from umbel.schedules import crontab

app: Umbel = Umbel("shop")
app.conf.update(
    task_send_sent_event=True,
    worker_send_task_events=True,
    result_extended=True,
    task_store_queued=True,
    beat_schedule={
        "clean-baskets": {"task": "shop.clean_baskets", "schedule": 15.0},
        "stock-report": {"task": "shop.report", "schedule": crontab(minute="*/2"), "args": ["stock"]},
        "newsletter": {"task": "shop.newsletter", "schedule": crontab(hour=7, minute=30, day_of_week="mon-fri")},
    },
)

CUSTOMERS: Final = ("ada", "grace", "katherine", "margaret", "radia", "barbara", "hedy", "frances")


class PaymentRefused(Exception):
    """An error: the bank does not pay."""


@app.task(name="shop.order")
def order(customer: str, items: int) -> dict[str, Any]:
    """Take an order of a ``customer`` for so many ``items``."""
    time.sleep(random.uniform(0.002, 0.02))  # noqa: S311
    return {"customer": customer, "items": items, "total": round(items * 7.9, 2)}


@app.task(name="shop.pay", bind=True, max_retries=3)
def pay(self: Any, customer: str, amount: float, card_token: str = "") -> str:
    """Have a ``customer`` pay an ``amount``; the bank, who knows the ``card_token``, is often away."""
    del card_token
    time.sleep(random.uniform(0.02, 0.2))  # noqa: S311
    chance = random.random()  # noqa: S311
    if chance < 0.25:
        raise self.retry(exc=ConnectionError("bank.example.com did not answer within 2 s"), countdown=random.uniform(1, 6))  # noqa: S311
    if chance < 0.29:
        raise PaymentRefused(f"{customer} cannot pay {amount:.2f}: the limit of the card is reached")
    return f"paid {amount:.2f}"


@app.task(name="shop.pack")
def pack(parcel: int) -> int:
    """Pack one ``parcel``."""
    time.sleep(random.uniform(0.2, 2.5))  # noqa: S311
    return parcel


@app.task(name="shop.ship")
def ship(parcels: list[int]) -> str:
    """Ship all ``parcels`` of an order together."""
    time.sleep(0.1)
    return f"shipped {len(parcels)} parcels"


@app.task(name="shop.mail")
def mail(to: str, subject: str) -> None:
    """Write a mail with a ``subject`` ``to`` a customer."""
    time.sleep(random.uniform(0.01, 0.08))  # noqa: S311
    if random.random() < 0.015:  # noqa: S311
        raise ValueError(f"{to} has no address: cannot send {subject!r}")


@app.task(name="shop.resize")
def resize(picture: str) -> str:
    """Make a ``picture`` smaller."""
    time.sleep(random.uniform(0.05, 0.9))  # noqa: S311
    return f"{picture}.small.jpg"


@app.task(name="shop.clean_baskets")
def clean_baskets() -> int:
    """Drop baskets that were left."""
    return random.randint(0, 40)  # noqa: S311


@app.task(name="shop.report")
def report(about: str) -> str:
    """Write a report ``about`` something."""
    time.sleep(0.5)
    return f"report about {about}"


@app.task(name="shop.newsletter")
def newsletter() -> str:
    """Send the newsletter."""
    return "sent"


def sell() -> None:
    """Send what one moment in the shop brings."""
    customer = random.choice(CUSTOMERS)  # noqa: S311
    items = random.randint(1, 9)  # noqa: S311
    order.delay(customer, items)
    chance = random.random()  # noqa: S311
    if chance < 0.45:
        pay.delay(customer, items * 7.9, card_token="tok_visa")  # noqa: S106 - to be seen hidden
    if chance < 0.3:
        mail.delay(f"{customer}@example.com", "Thank you for your order")
    if chance < 0.08:
        chain(order.si(customer, items), chord(group(pack.si(parcel) for parcel in range(items % 4 + 2)), ship.s())).delay()
    if chance > 0.93:
        resize.delay(f"{customer}-{items}.jpg")
    if chance > 0.985:
        mail.apply_async((f"{customer}@example.com", "How was it?"), countdown=random.randint(60, 3600))  # noqa: S311
    if chance > 0.997:
        app.send_task("shop.price_of_yesterday", args=[customer])  # nobody knows it: a dead letter
