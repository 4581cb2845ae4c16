from __future__ import annotations

from dataclasses import replace

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.pools import kinds
from umbel.runtime import plugins


def test_names_and_aliases_lead_to_one_row():
    assert kinds.kind_of("processes") is kinds.kind_of("prefork") is kinds.DEFAULT
    assert kinds.find_kind("solo").in_worker


@pytest.mark.parametrize("name", ["swimming", "green", ""])
def test_unknown_kinds_are_refused_with_those_that_there_are(name):
    assert kinds.find_kind(name) is None
    with pytest.raises(ImproperlyConfigured, match=rf"no pool named {name!r}: expected {' or '.join(kinds.NAMES)}"):
        kinds.kind_of(name)


def test_no_name_is_taken_twice():
    names = [name for kind in kinds.KINDS for name in (kind.name, *kind.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_what_a_row_names_is_there(kind):
    assert callable(plugins.load(kind.pool, "a test"))
    assert bool(kind.child_main) is not kind.in_worker
    if kind.child_main:
        assert callable(plugins.load(kind.child_main, "a test"))


def test_a_kind_says_what_its_tasks_run_in():
    assert kinds.kind_of("solo").describe(1) == "this process"
    assert [kinds.DEFAULT.describe(count) for count in (1, 2, 1200)] == ["1 child", "2 children", "1,200 children"]
    assert kinds.kind_of("threads").describe(200, 4) == "4 children, 200 threads"


def test_a_library_that_is_missing_is_named_with_what_to_install():
    kind = replace(kinds.kind_of("gevent"), patched="nowhere.monkey:patch_all")
    with pytest.raises(ImproperlyConfigured, match=r'needs the library nowhere, which is not installed: pip install "umbel\[nowhere\]"'):
        kind.make(None)
