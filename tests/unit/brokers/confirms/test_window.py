from hypothesis import given
from hypothesis import strategies as st

from umbel.brokers.confirms.receipts import Receipts
from umbel.brokers.confirms.window import Window
from umbel.errors import MessageReturned, PublishError


def filled(count, names=lambda frames: ("", frames.decode())):
    window = Window(Receipts(), names)
    for number in range(1, count + 1):
        assert window.add(b"%d" % number, len(b"%d" % number)) == number
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
    assert window.add(b"5", 1) == 5
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
    window.add(b"1", 1)
    with receipts.opened() as receipt:
        window.add(b"2", 1)
        window.add(b"3", 1)
    window.confirm(2, 1)
    assert not receipt.is_settled
    window.refuse(3, False, MessageReturned("no queue"))
    assert receipt.is_settled
    assert isinstance(receipt.error, MessageReturned)
    assert receipts.kept == 0


def test_sent_again_out_of_order():
    window = filled(3)
    number, frames = window.take_where(lambda each: each == b"1")
    window.add_again(number, frames, len(frames))
    assert (window.oldest(), window.tag) == (1, 4)
    assert list(window.restart()) == [b"1", b"2", b"3"]
    assert window.take_where(lambda _: False) is None


def test_a_broker_that_answers_in_order_confirms_the_next_one():
    window = filled(3)
    assert window.next() == b"1"
    window.confirm_next()
    window.refuse_next(PublishError("no"))
    assert (refusals(window), window.oldest(), window.bytes) == (["no"], 3, 1)
    assert window.is_over(2)
    assert not window.is_over(3)
    window.confirm_next()
    assert window.is_over(3)


def test_what_was_not_sent_is_taken_back_with_its_numbers():
    receipts = Receipts()
    window = Window(receipts)
    window.add(b"1", 1)
    with receipts.opened() as receipt:
        window.add(b"2", 1)
        window.add(b"3", 1)
    window.take_back(2)
    assert receipt.is_settled
    receipt.raise_refusal()
    assert (len(window), window.number, window.tag, window.bytes) == (1, 1, 1, 1)
    window.take_back(2)
    assert len(window) == 1, "fewer are left, so these were sent"
    assert window.add(b"4", 1) == 2


class Model:
    """The same by the plainest means: a list of (tag, number) in the order of tags."""

    def __init__(self):
        self.left, self.tag, self.number = [], 0, 0

    def add(self):
        self.tag, self.number = self.tag + 1, self.number + 1
        self.left.append((self.tag, self.number))

    def drop(self, test):
        """Returns the numbers of what is dropped."""
        gone = [number for tag, number in self.left if test(tag)]
        self.left = [(tag, number) for tag, number in self.left if not test(tag)]
        return gone


STEPS = st.one_of(
    st.sampled_from(["add", "add", "restart", "next", "refuse next", "again"]),
    st.tuples(st.just("back"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["confirm", "refuse"]), st.integers(1, 30), st.booleans()),
)


@given(st.lists(STEPS, max_size=80))
def test_it_is_what_a_list_would_be(steps):
    receipts = Receipts()
    window, model, confirmed, refused = Window(receipts), Model(), [], []
    with receipts.opened() as receipt:
        for step in steps:
            play(step, window, model, confirmed, refused)
            numbers = [number for _, number in model.left]
            assert (len(window), window.oldest(), window.bytes) == (len(numbers), min(numbers, default=None), len(numbers))
            assert (window.tag, window.number) == (model.tag, model.number)
            assert set(receipts.watched) == set(numbers), "each message is told once, when it is answered"
    assert receipt.refused == len(refused)
    assert list(window.restart()) == [b"%d" % number for _, number in sorted(model.left, key=lambda each: each[1])]


def play(step, window, model, confirmed, refused):
    kind, *rest = step if isinstance(step, tuple) else (step,)
    if kind == "add":
        model.add()
        window.add(b"%d" % model.number, 1)
    elif kind == "restart":
        model.left = list(enumerate(sorted(number for _, number in model.left), 1))
        model.tag = len(model.left)
        assert list(window.restart()) == [b"%d" % number for _, number in model.left]
    elif kind in ("next", "refuse next") and model.left:
        tag, number = model.left[0]
        assert window.next() == b"%d" % number
        if kind == "next":
            window.confirm_next()
            confirmed += model.drop(lambda each: each == tag)
        else:
            window.refuse_next(PublishError("no"))
            refused += model.drop(lambda each: each == tag)
    elif kind == "again" and model.left:
        number, item = window.take_where(lambda _: True)
        assert (model.left.pop(0)[1], item) == (number, b"%d" % number)
        window.add_again(number, item, 1)
        model.tag += 1
        model.left.append((model.tag, number))
    elif kind == "back":
        count = rest[0]
        latest = model.left[-count:]
        # Only what was just sent is ever taken back.
        if [number for _, number in latest] == list(range(model.number - count + 1, model.number + 1)) and latest[-1][0] == model.tag:
            if [tag for tag, _ in latest] == list(range(model.tag - count + 1, model.tag + 1)):
                window.take_back(count)
                model.left = model.left[:-count]
                model.tag, model.number = model.tag - count, model.number - count
    elif kind == "confirm":
        tag, multiple = rest
        window.confirm(tag, multiple)
        confirmed += model.drop(lambda each: each <= tag if multiple else each == tag)
    elif kind == "refuse":
        tag, multiple = rest
        window.refuse(tag, multiple, MessageReturned("none"))
        refused += model.drop(lambda each: each <= tag if multiple else each == tag)
