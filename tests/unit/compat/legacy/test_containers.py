import time

import pytest

from umbel.compat.legacy.containers import AttributeDict, Bunch, ConfigurationView, DictAttribute, LimitedSet


def test_attributes_and_items():
    d = AttributeDict(a=1)
    d.b = 2
    assert (d.a, d["b"]) == (1, 2)
    with pytest.raises(AttributeError, match="'c'"):
        _ = d.c
    o = DictAttribute(Bunch(a=1))
    o["b"] = 2
    assert (o["a"], o.b, o.get("c", 3), "a" in o, "z" in o) == (1, 2, 3, True, False)
    with pytest.raises(KeyError):
        _ = o["z"]
    assert ConfigurationView({"a": 1}, {"a": 0, "b": 2})["b"] == 2


def test_a_limited_set():
    items = LimitedSet(maxlen=2, expires=10)
    for each in "abc":
        items.add(each)
    assert sorted(items) == ["b", "c"]
    assert "a" not in items
    items.add("old", now=time.monotonic() - 20)
    items.purge()
    assert "old" not in items or len(items) == 2
    items.discard("b")
    items.discard("never")
    other = LimitedSet(data=["x"])
    other.update(items)
    other.update({"y": time.monotonic()})
    assert {"x", "y"} <= set(other.as_dict())
    assert other != items
    assert other.pop() == "x"
    other.clear()
    assert (len(other), other.pop("none")) == (0, "none")
    assert repr(items).startswith("<LimitedSet(")
