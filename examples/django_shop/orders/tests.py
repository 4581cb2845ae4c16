"""The project's own tests: ``python manage.py test``."""

import json

from django.test import TestCase

from orders.models import Order, Receipt, Stray
from orders.tasks import send_receipt
from umbel.contrib.django.models import OutboxMessage


class Buying(TestCase):
    def buy(self, **more):
        return self.client.post("/buy", json.dumps({"customer": "Ada", "total": "12.50", **more}), content_type="application/json")

    def test_an_order_and_its_receipt_are_one_transaction(self):
        bought = self.buy().json()
        (message,) = OutboxMessage.objects.all()
        self.assertEqual((message.task, message.task_id), ("orders.tasks.send_receipt", bought["task"]))

    def test_a_declined_card_leaves_nothing(self):
        self.assertEqual(self.buy(card="declined").status_code, 402)
        self.assertEqual((Order.objects.count(), OutboxMessage.objects.count()), (0, 0))

    def test_the_receipt_is_sent_once(self):
        order = Order.objects.create(customer="Ada", total="1.00")
        for _ in range(2):
            send_receipt.apply((order.pk,))
        self.assertEqual((Receipt.objects.count(), Stray.objects.count()), (1, 0))
