from hypothesis import given
from hypothesis import strategies as st

from umbel.brokers.amqp.window import Window
from umbel.errors import MessageReturned, PublishError


def filled(count):
    window = Window()
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


def test_a_refused_message_is_told_once():
    window, told = filled(1), []
    window.watch(told.append)
    window.add(b"2")
    window.watch(told.append)
    error = MessageReturned("no queue")
    window.refuse(2, False, error)
    ((watcher, found),) = window.take_watchers()
    assert (type(found), str(found)) == (MessageReturned, "no queue")
    assert found is not error, "raising it would leave a traceback with what stays in the window"
    assert window.failures == []
    watcher(found)
    window.confirm(1, 0)
    assert [each for _, each in window.take_watchers()] == [None]
    assert window.take_watchers() == []


def test_a_refused_message_that_nobody_watches_is_kept():
    window = filled(3)
    window.refuse(2, True, PublishError("no"))
    assert [failure.number for failure in window.failures] == [1, 2]
    assert window.oldest() == 3


def test_an_error_names_its_message():
    window = Window(lambda frames: f"message {frames.decode()}")
    window.add(b"x")
    window.add(b"y")
    window.refuse(2, True, PublishError("no"))
    assert [str(failure.raised()) for failure in window.failures] == ["no: message x", "no: message y"]
    assert str(window.failures[0].raised(1)) == "no: message x (and 1 more messages)"


def test_sent_again_out_of_order():
    window = filled(3)
    number, frames = window.take_where(lambda each: each == b"1")
    window.add_again(number, frames)
    assert (window.oldest(), window.tag) == (1, 4)
    assert list(window.restart()) == [b"1", b"2", b"3"]
    assert window.take_where(lambda _: False) is None


@given(st.lists(st.one_of(st.just("add"), st.just("restart"), st.tuples(st.integers(1, 30), st.integers(0, 1))), max_size=60))
def test_it_remembers_what_a_dictionary_would(steps):
    window, model, tag, number = Window(), {}, 0, 0
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
