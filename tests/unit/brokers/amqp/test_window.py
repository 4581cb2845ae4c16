from hypothesis import given
from hypothesis import strategies as st

from umbel.brokers.amqp.window import Window
from umbel.brokers.receipts import Receipts
from umbel.errors import MessageReturned, PublishError


def filled(count, names=lambda frames: ("", frames.decode())):
    window = Window(Receipts(), names)
    for number in range(1, count + 1):
        assert window.add(b"%d" % number) == number
    return window


def test_confirms():
    window = filled(5)
    window.confirm(2, 0)
    assert (len(window), window.oldest(), window.bytes) == (4, 1, 4)
    window.confirm(3, 1)
    assert (len(window), window.oldest()) == (2, 4)
    window.confirm(3, 0)
    window.confirm(99, 1)
    assert (len(window), window.oldest(), window.bytes) == (0, None, 0)


def test_what_is_left_goes_first_over_the_next_channel():
    window = filled(4)
    window.confirm(2, 0)
    assert list(window.restart()) == [b"1", b"3", b"4"]
    assert window.add(b"5") == 5
    window.confirm(3, 1)
    assert (len(window), window.oldest()) == (1, 5)


def refusals(window):
    """The texts of what is kept for whoever flushes."""
    return [str(error) for error in window._receipts._kept]


def test_a_refused_message_that_belongs_to_no_receipt_is_kept():
    window = filled(3, names=lambda _: ("", ""))
    window.refuse(2, True, PublishError("no"))
    assert refusals(window) == ["no", "no"]
    assert window.oldest() == 3


def test_an_error_names_its_message():
    window = filled(2, names=lambda frames: ("the.task", f"id-{frames.decode()}"))
    window.refuse(2, True, PublishError("no"))
    assert refusals(window) == ["no: the.task[id-1]", "no: the.task[id-2]"]


def test_a_message_tells_its_receipt():
    receipts = Receipts()
    window = Window(receipts)
    window.add(b"1")
    with receipts.opened() as receipt:
        window.add(b"2")
        window.add(b"3")
    window.confirm(2, 1)
    assert not receipt.is_settled
    window.refuse(3, False, MessageReturned("no queue"))
    assert receipt.is_settled
    assert isinstance(receipt.error, MessageReturned)
    assert receipts.kept == 0


def test_sent_again_out_of_order():
    window = filled(3)
    number, frames = window.take_where(lambda each: each == b"1")
    window.add_again(number, frames)
    assert (window.oldest(), window.tag) == (1, 4)
    assert list(window.restart()) == [b"1", b"2", b"3"]
    assert window.take_where(lambda _: False) is None


@given(st.lists(st.one_of(st.just("add"), st.just("restart"), st.tuples(st.integers(1, 30), st.integers(0, 1))), max_size=60))
def test_it_remembers_what_a_dictionary_would(steps):
    window, model, tag, number = Window(Receipts()), {}, 0, 0
    for step in steps:
        if step == "add":
            tag, number = tag + 1, number + 1
            model[tag] = number
            window.add(b"x")
        elif step == "restart":
            model = dict(enumerate(model.values(), 1))
            tag = len(model)
            assert len(list(window.restart())) == tag
        else:
            upto, multiple = step
            model = {each: kept for each, kept in model.items() if (each > upto if multiple else each != upto)}
            window.confirm(upto, multiple)
        assert (len(window), window.oldest(), window.bytes) == (len(model), min(model.values(), default=None), len(model))
