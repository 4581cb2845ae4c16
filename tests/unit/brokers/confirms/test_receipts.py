import logging
import threading

import pytest

from umbel import hooks
from umbel.brokers.confirms.receipts import Receipts
from umbel.errors import MessageReturned, PublishError


@pytest.fixture
def receipts():
    return Receipts()


def test_it_is_settled_when_all_its_messages_are(receipts):
    told = []
    with receipts.opened() as receipt:
        receipts.note(1)
        receipts.note(2)
        receipt.when_settled(told.append)
    receipts.confirm(1)
    receipts.tell()
    assert told == []
    receipts.confirm(2)
    assert receipts.has_news
    receipts.tell()
    receipts.tell()
    assert told == [None]
    receipt.raise_refusal()


def test_it_is_told_of_its_own_messages_only(receipts):
    with receipts.opened() as one:
        receipts.note(1)
    with receipts.opened() as other:
        receipts.note(2)
        receipts.note(3)
    receipts.refuse(2, PublishError("no"))
    receipts.refuse(3, MessageReturned("none"))
    receipts.confirm(1)
    one.raise_refusal()
    with pytest.raises(PublishError, match=r"^no \(and 1 more messages\)$") as caught:
        other.raise_refusal()
    assert caught.value is not other.error, "raising it would leave a traceback with what is kept"
    receipts.raise_kept()


def test_threads_have_receipts_of_their_own(receipts):
    with receipts.opened() as receipt:
        thread = threading.Thread(target=receipts.note, args=(1,))
        thread.start()
        thread.join()
    assert receipt.is_settled
    assert not receipts


def test_an_empty_one_is_settled(receipts):
    told = []
    with receipts.opened() as receipt:
        pass
    receipt.when_settled(told.append)
    assert told == [None]


def test_what_belongs_to_nobody_is_logged_signalled_and_raised_once(receipts, caplog):
    heard = []
    hooks.task_publish_failed.connect(lambda sender, **told: heard.append((sender, told["task_id"], told["exception"])), weak=False)
    try:
        error = PublishError("no room")
        receipts.refuse(7, error, "the.task", "the-id")
        with caplog.at_level(logging.ERROR):
            receipts.tell()
    finally:
        hooks.task_publish_failed.receivers = ()
    assert heard == [("the.task", "the-id", error)]
    assert "no room" in caplog.text
    with pytest.raises(PublishError, match="no room"):
        receipts.raise_kept()
    receipts.raise_kept()


def test_what_the_caller_can_still_be_told_is_raised_there_and_counts_as_told(receipts):
    receipts.refuse(6, PublishError("another's"))
    receipts.refuse(7, PublishError("no"))
    receipts.refuse(8, PublishError("no"))
    with pytest.raises(PublishError, match=r"^no \(and 1 more messages\)$"):
        receipts.raise_own(7)
    receipts.raise_own(7)
    with pytest.raises(PublishError, match=r"^another's$"):
        receipts.raise_kept()


def test_refusals_are_not_kept_without_bounds(receipts):
    for number in range(1000):
        receipts.refuse(number, PublishError("no"))
    assert len(receipts._kept) <= 100
    with pytest.raises(PublishError, match="999 more"):
        receipts.raise_kept()
