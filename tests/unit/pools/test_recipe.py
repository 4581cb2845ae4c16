"""An app that is bound to no name is made again, from what can be sent to another process."""

from __future__ import annotations

import pickle
import sys
import threading
import types

import pytest

from umbel import Task, Umbel, shared_task
from umbel.errors import ImproperlyConfigured
from umbel.pools import recipe
from umbel.pools.recipe import AppRecipe


def add(x, y):
    return x + y


def own_name(self):
    return self.name


class Counting(Task):
    prefix = "counted"


class Greeting(Task):
    name = "greet"

    def __init__(self, word="hello"):
        self.word = word

    def run(self, whom):
        return f"{self.word} {whom}"


@shared_task(name="shared.in.a.test")
def shared(x):
    return x


@shared_task(name="shared.and.bound", bind=True)
def bound(self):
    return self.name


SHELF = {"app": Umbel("shelf", set_as_current=False)}


@SHELF["app"].task(name="shelved")
def shelved():
    return "shelved"


def sent(app, monkeypatch):
    """The app that another process makes of it."""
    monkeypatch.setattr(recipe, "_made", {})
    return pickle.loads(pickle.dumps(AppRecipe.of(app))).load()


@pytest.fixture
def app():
    return Umbel("proj", broker="memory://", set_as_current=False, task_default_queue="q")


def test_an_app_that_can_be_imported_is_imported(app):
    app.import_path = f"{__name__}:app"
    assert AppRecipe.of(app) == AppRecipe(import_path=f"{__name__}:app")
    assert AppRecipe.of(app, "os:app") == AppRecipe(import_path="os:app")


def test_what_a_script_binds_as_the_main_program_is_made_anew_where_it_is_not_found(app, monkeypatch):
    app.import_path = "this_is_a_script:app"
    assert sent(app, monkeypatch).main == "proj"
    app.task(name="proj.inner")(lambda: None)
    with pytest.raises(ImproperlyConfigured, match="no module 'this_is_a_script'"):
        sent(app, monkeypatch)


def test_its_settings_and_tasks_are_those_of_the_app(app, monkeypatch):
    app.task(name="add", max_retries=7, queue="fast")(add)
    app.task(name="own", bind=True)(own_name)
    app.tasks["add"].rate_limit = "5/s"
    made = sent(app, monkeypatch)
    assert made is not app
    assert (made.main, made.conf.task_default_queue) == ("proj", "q")
    task = made.tasks["add"]
    assert task(1, 2) == 3
    assert (task.max_retries, task.queue, task.rate_limit, task.app) == (7, "fast", "5/s", made)
    assert made.tasks["own"]() == "own"


def test_a_class_that_tasks_inherit_from_is_kept(app, monkeypatch):
    app.task(name="add", base=Counting)(add)
    app.register_task(Greeting("bye"))
    made = sent(app, monkeypatch)
    assert made.tasks["add"].prefix == "counted"
    assert made.tasks["greet"]("you") == "bye you"


def test_the_class_of_all_tasks_is_kept(monkeypatch):
    app = Umbel("proj", set_as_current=False, task_cls=Counting)
    app.task(name="add")(add)
    assert sent(app, monkeypatch).tasks["add"].prefix == "counted"


def test_a_function_whose_name_means_its_task_is_found_there(monkeypatch):
    assert sent(SHELF["app"], monkeypatch).tasks["shelved"]() == "shelved"


def test_shared_tasks_come_with_their_modules(app, monkeypatch):
    app.finalize()
    one = AppRecipe.of(app)
    assert __name__ in one.modules
    assert one.tasks == ()
    made = sent(app, monkeypatch)
    assert made.tasks["shared.in.a.test"](5) == 5
    assert made.tasks["shared.and.bound"]() == "shared.and.bound"


def test_an_own_task_with_the_name_of_a_shared_one_is_kept(app, monkeypatch):
    app.task(name="shared.in.a.test")(add)
    assert sent(app, monkeypatch).tasks["shared.in.a.test"](2, 3) == 5


def test_a_module_of_shared_tasks_that_is_not_there_is_told(caplog):
    recipe._import_shared("no_such_module_here.at_all")
    assert "no_such_module_here.at_all cannot be imported in children" in caplog.text


def test_it_is_made_once_in_a_process(app, monkeypatch):
    monkeypatch.setattr(recipe, "_made", {})
    one = AppRecipe.of(app)
    assert one.load() is one.load()


def test_a_task_that_cannot_be_sent_is_named(app):
    app.task(name="proj.inner")(lambda: None)
    with pytest.raises(ImproperlyConfigured, match=r"the function of the task proj\.inner is not at the top of a module"):
        AppRecipe.of(app)


def test_a_class_that_cannot_be_sent_is_named_with_its_task(app):
    class Inner(Task):
        name = "proj.inner"

        def run(self): ...

    app.register_task(Inner)
    with pytest.raises(ImproperlyConfigured, match=r"the class .*Inner of the task proj\.inner is not at the top of a module"):
        AppRecipe.of(app)


def test_an_attribute_that_cannot_be_sent_is_told_with_its_task(app):
    app.task(name="add", guard=threading.Lock())(add)
    with pytest.raises(ImproperlyConfigured, match=r"an attribute of the task add cannot be pickled \(TypeError: cannot pickle"):
        AppRecipe.of(app)


def test_a_setting_that_cannot_be_sent_is_named():
    app = Umbel("proj", set_as_current=False, task_routes=[lambda *_: None])
    with pytest.raises(ImproperlyConfigured, match="the setting task_routes cannot be pickled"):
        AppRecipe.of(app)


def test_a_class_of_apps_that_cannot_be_sent_is_told():
    class Mine(Umbel):
        pass

    with pytest.raises(ImproperlyConfigured, match="its class cannot be pickled"):
        AppRecipe.of(Mine("proj", set_as_current=False))


def test_what_is_typed_in_is_refused(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    monkeypatch.setattr(add, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "add", add, raising=False)
    app.task(name="add")(add)
    with pytest.raises(ImproperlyConfigured, match=r"the function of the task add .* \(it is defined in a program without a file\)"):
        AppRecipe.of(app)
