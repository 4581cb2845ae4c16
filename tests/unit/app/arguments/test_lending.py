from __future__ import annotations

import asyncio
import inspect
import os
import threading

import pytest

from umbel import Umbel, hooks
from umbel.app.arguments.lending import Lent
from umbel.errors import ImproperlyConfigured
from umbel.testing import start_worker


@pytest.fixture
def app(tmp_path):
    with Umbel("lending", broker=f"memory:///{tmp_path.name}", backend=f"cache+memory:///{tmp_path.name}", set_as_current=False) as app:
        yield app
        for lent in app.__dict__.get("_lent", {}).values():
            lent.close()
            for signal in (hooks.worker_process_shutdown, hooks.worker_shutdown):
                signal.disconnect(dispatch_uid=f"umbel.lent.{id(lent)}")


class Thing:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.number = type(self).made
        self.is_closed = False

    def close(self):
        self.is_closed = True


@pytest.fixture(autouse=True)
def fresh():
    Thing.made = 0


def test_tasks_get_it_as_an_argument_and_callers_do_not_give_it(app):
    app.resource("thing")(Thing)

    @app.task(lend=["thing"])
    def use(thing, x, *more, y=2, **others):
        return thing.number, x, more, y, others

    assert use(1) == use.apply((1,)).get() == (1, 1, (), 2, {})
    assert use(1, 3, 4, y=5, z=6) == (1, 1, (3, 4), 5, {"z": 6})
    assert str(inspect.signature(use)) == "(x, *more, y=2, **others)"
    with pytest.raises(TypeError, match="missing a required argument"):
        use.delay()
    with start_worker(app):
        assert use.delay(9).get(timeout=10)[:2] == [1, 9]


@pytest.mark.parametrize("place", ["first", "last", "keyword"])
def test_it_may_stand_anywhere_also_behind_the_task_itself(app, place):
    app.resource("thing")(Thing)
    functions = {
        "first": lambda self, thing, x=0: (self.name, thing.number, x),
        "last": lambda self, x=0, thing=None: (self.name, thing.number, x),
        "keyword": lambda self, x=0, *, thing: (self.name, thing.number, x),
    }
    task = app.task(lend="thing", bind=True, name="t")(functions[place])
    assert (task(), task(5), task(x=6)) == (("t", 1, 0), ("t", 1, 5), ("t", 1, 6))


def test_coroutines_are_lent_it_one_after_the_other(app):
    app.resource("thing")(Thing)
    running = []

    @app.task(lend=["thing"])
    async def use(thing):
        running.append(thing)
        assert len(running) == 1
        await asyncio.sleep(0.001)
        running.pop()
        return thing.number

    async def main():
        return await asyncio.gather(*[use.run() for _ in range(10)])

    assert asyncio.run(main()) == [1] * 10


def test_a_shared_one_is_lent_to_several_at_a_time():
    lent, both = Lent("thing", Thing, shared=True, check=None, errors=()), threading.Barrier(2, timeout=10)

    def use():
        with lent.lend():
            both.wait()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not both.broken
    assert Thing.made == 1


@pytest.mark.parametrize("check", [lambda thing: thing.number > 1, lambda thing: 1 // (thing.number - 1) + 1])
def test_one_that_fails_its_check_is_made_anew(check, caplog):
    lent = Lent("thing", Thing, shared=False, check=check, errors=())
    with lent.lend() as first:
        assert first.number == 1
    with lent.lend() as second:
        assert (second.number, first.is_closed) == (2, True)
    with lent.lend() as third:
        assert third is second
    assert "The thing is made anew" in caplog.text


def test_a_check_that_says_nothing_is_content():
    lent = Lent("thing", Thing, shared=False, check=lambda _: None, errors=())
    for _ in range(3):
        with lent.lend() as thing:
            assert thing.number == 1


def test_after_an_error_of_its_own_it_is_made_anew_and_after_others_it_is_not(caplog):
    lent = Lent("thing", Thing, shared=False, check=None, errors=(OSError,))
    for error, number in ((ValueError, 1), (ConnectionError, 1), (ConnectionError, 2)):
        with pytest.raises(error), lent.lend() as thing:
            assert thing.number == number
            raise error
    with lent.lend() as thing:
        assert thing.number == 3


def test_a_generator_closes_it_itself_and_may_fail_to(caplog):
    steps = []

    def make():
        steps.append("made")
        yield "it"
        steps.append("closed")
        raise ValueError("no")

    lent = Lent("thing", make, shared=False, check=None, errors=())
    with lent.lend() as thing:
        assert thing == "it"
    lent.close()
    lent.close()
    assert steps == ["made", "closed"]
    assert "The thing could not be closed" in caplog.text


def test_what_cannot_be_made_fails_the_task_and_is_tried_again():
    tries = []

    def make():
        tries.append(1)
        if len(tries) < 2:
            raise OSError("not yet")
        return "it"

    lent = Lent("thing", make, shared=False, check=None, errors=())
    with pytest.raises(OSError, match="not yet"), lent.lend():
        pytest.fail("there is nothing to lend")
    with lent.lend() as thing:
        assert thing == "it"


def yields_nothing():
    yield from ()


def stops():
    return next(iter(()))


@pytest.mark.parametrize(("make", "text"), [(yields_nothing, "yields nothing"), (stops, "raised StopIteration")])
def test_a_maker_that_yields_nothing_is_an_error_for_coroutines_too(make, text):
    lent = Lent("thing", make, shared=False, check=None, errors=())

    async def main():
        async with asyncio.timeout(10), lent.alend():
            pytest.fail("there is nothing to lend")

    for _ in range(2):
        with pytest.raises((RuntimeError, ImproperlyConfigured), match=text):
            asyncio.run(main())
        with pytest.raises((RuntimeError, ImproperlyConfigured), match=text), lent.lend():
            pytest.fail("there is nothing to lend")


def test_a_forked_child_makes_its_own():
    lent = Lent("thing", Thing, shared=False, check=None, errors=())
    with lent.lend() as thing:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with lent.lend() as own:
                    code = 0 if own is not thing else 2
            finally:
                os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert not thing.is_closed


def test_mistakes_are_named(app):
    with pytest.raises(ImproperlyConfigured, match="has no parameter of that name"):
        app.task(lend=["thing"])(lambda x: x)
    task = app.task(lend=["thing"])(lambda thing: thing)
    with pytest.raises(ImproperlyConfigured, match=r"no resource named 'thing': make one with @app.resource\('thing'\)"):
        task()
    app.resource("thing")(Thing)
    with pytest.raises(ImproperlyConfigured, match="already"):
        app.resource("thing")(Thing)


def test_children_close_it_at_their_end(app, tmp_path):
    file = tmp_path / "closed"

    @app.resource("thing")
    def make():
        yield os.getpid()
        file.write_text(str(os.getpid()))

    @app.task(lend=["thing"], name="who")
    def who(thing):
        return thing

    with start_worker(app):
        assert who.delay().get(timeout=10) == os.getpid()
    assert file.read_text() == str(os.getpid())
