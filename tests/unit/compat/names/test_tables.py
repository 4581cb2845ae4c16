"""Every name that a table lists is there."""

from __future__ import annotations

import pickle

import pytest

from umbel.compat.alias.module import AliasModule
from umbel.compat.names import TABLES

#: Of our names, those that are still to come. It only shrinks.
TO_COME = {"umbel.beat.beat_nodename", "umbel.beat.Beat"}


def module(name: str) -> AliasModule:
    return AliasModule(name, TABLES[name], frozenset())


@pytest.mark.parametrize("name", sorted(TABLES))
def test_its_names_are_there(name):
    alias = module(name)
    for theirs, place, ours in TABLES[name].places():
        assert theirs in dir(alias)
        try:
            assert getattr(alias, theirs) is getattr(alias, theirs)
        except AttributeError as error:
            assert str(error) == f"Umbel has no {name}.{theirs} yet: it will come with a later version"
            assert f"{place}.{ours}" in TO_COME


@pytest.mark.parametrize("name", sorted(TABLES))
def test_its_package_is_there_too(name):
    parent = name.rpartition(".")[0]
    assert not parent or parent in TABLES


@pytest.mark.parametrize("name", sorted(TABLES))
def test_names_that_are_elsewhere_say_where(name):
    alias = module(name)
    for missing, instead in TABLES[name].elsewhere.items():
        assert not hasattr(alias, missing)
        with pytest.raises(AttributeError) as caught:
            getattr(alias, missing)
        assert str(caught.value) == f"Umbel has no {name}.{missing}: use {instead}"


def test_what_a_module_exports():
    assert module("celery.states").__all__ == sorted(TABLES["celery.states"].names["umbel.states"].split())
    assert "uuid" in module("celery").__all__


def test_a_live_module_is_ours_under_another_name():
    from umbel.compat.worker import state

    alias = module("celery.worker.state")
    assert alias.total_count is state.total_count
    alias.should_stop = 3
    try:
        assert state.should_stop == 3
    finally:
        alias.should_stop = None
    assert "revoked" in dir(alias)
    alias.extra = 1
    del alias.extra
    assert not hasattr(state, "extra")


def test_names_can_be_patched(monkeypatch):
    alias = module("celery.utils.nodenames")
    monkeypatch.setattr(alias, "gethostname", lambda: "elsewhere")
    assert alias.gethostname() == "elsewhere"
    monkeypatch.undo()
    assert alias.gethostname() != "elsewhere"


def test_exceptions_are_pickled_as_ours():
    error = module("celery.exceptions").SoftTimeLimitExceeded(3)
    assert type(pickle.loads(pickle.dumps(error))).__module__ == "umbel.errors"
