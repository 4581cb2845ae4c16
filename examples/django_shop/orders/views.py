"""Pages for customers."""

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.models import Order, Receipt
from orders.tasks import send_receipt


@csrf_exempt
@require_POST
def buy(request: HttpRequest) -> JsonResponse:
    wanted = json.loads(request.body)
    try:
        with transaction.atomic():
            order = Order.objects.create(customer=wanted["customer"], total=wanted["total"])
            receipt = send_receipt.delay(order.pk)  # a row of this transaction
            if wanted.get("card") == "declined":
                raise PermissionError("the card was declined")
    except PermissionError as error:
        return JsonResponse({"error": str(error), "order": order.pk}, status=402)
    return JsonResponse({"order": order.pk, "task": receipt.id}, status=201)


def show(request: HttpRequest, number: int) -> JsonResponse:
    order = get_object_or_404(Order, pk=number)
    receipt = Receipt.objects.filter(order=order).first()
    return JsonResponse({"customer": order.customer, "total": str(order.total), "receipt": receipt and receipt.task_id})
