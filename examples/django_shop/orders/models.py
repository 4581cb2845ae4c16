"""What the shop keeps."""

from django.db import models


class Order(models.Model):
    """One order."""

    customer = models.CharField(max_length=100)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    placed = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.customer}: {self.total}"


class Receipt(models.Model):
    """A receipt that was sent; a task may run twice, and then has sent it before."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    task_id = models.CharField(max_length=100)
    sent = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"receipt of {self.order_id}"


class Stray(models.Model):
    """A task that found no order: one that ran before its commit, or for an order that was rolled back. There must be none."""

    number = models.IntegerField()
    task_id = models.CharField(max_length=100)

    def __str__(self) -> str:
        return str(self.number)
