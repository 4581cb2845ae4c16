"""What is done behind the shop's back. Found by itself, because it is the ``tasks`` of an installed app."""

from orders.models import Order, Receipt, Stray
from umbel import shared_task


@shared_task(bind=True)
def send_receipt(self, number):
    order = Order.objects.filter(pk=number).first()
    if order is None:
        Stray.objects.create(number=number, task_id=self.request.id)
        return None
    receipt, is_new = Receipt.objects.get_or_create(order=order, defaults={"task_id": self.request.id})
    return f"receipt {receipt.pk} for {order}" if is_new else "sent before"


@shared_task
def count_orders():
    return Order.objects.count()
