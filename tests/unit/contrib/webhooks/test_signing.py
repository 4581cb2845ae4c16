import pytest

from umbel.contrib.webhooks import InvalidSignature, sign, verify
from umbel.errors import ImproperlyConfigured

#: The example of the specification of Standard Webhooks.
SECRET, ID, TIME, BODY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"Webhook-Id": ID, "Webhook-Timestamp": str(TIME), "Webhook-Signature": SIGNATURE}


def test_the_example_of_the_specification():
    assert sign(SECRET, ID, TIME, BODY) == SIGNATURE
    assert verify(SECRET, HEADERS, BODY, now=TIME + 10) == ID


def test_several_secrets_and_several_signatures():
    headers = {**HEADERS, "Webhook-Signature": f"v1,AAAA {SIGNATURE} v2,x"}
    assert verify(["another secret of 16 bytes", SECRET], headers, BODY, now=TIME) == ID


@pytest.mark.parametrize(
    ("headers", "body", "now", "text"),
    [
        ({}, BODY, TIME, "has no header webhook-id, webhook-timestamp, webhook-signature"),
        ({**HEADERS, "Webhook-Timestamp": "now"}, BODY, TIME, "no number of seconds"),
        ({**HEADERS, "Webhook-Timestamp": "9" * 400}, BODY, TIME, "no number of seconds"),  # no float is as large
        (HEADERS, BODY, TIME + 301, "301 s away from now"),
        (HEADERS, BODY, TIME - 301, "301 s away from now"),
        (HEADERS, BODY + b" ", TIME, "not signed with this secret"),
        ({**HEADERS, "Webhook-Id": "x"}, BODY, TIME, "not signed with this secret"),
        ({**HEADERS, "Webhook-Signature": "v1,ä"}, BODY, TIME, "not signed with this secret"),
    ],
)
def test_what_is_no_webhook(headers, body, now, text):
    with pytest.raises(InvalidSignature, match=text):
        verify(SECRET, headers, body, now=now)


@pytest.mark.parametrize(("secret", "text"), [("short", "has 5 bytes"), ("whsec_é", "not base64"), ("", "has 0 bytes")])
def test_what_is_no_secret(secret, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        sign(secret, ID, TIME, BODY)
