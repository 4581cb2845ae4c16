import pickle

import pytest

from umbel.compat.legacy import pickling as p


class Needs(Exception):
    def __init__(self, foo, bar=None):
        if bar is None:
            raise TypeError("bar")
        super().__init__(foo)


def test_yes_and_no():
    assert [p.strtobool(each) for each in ("yes", "0", "True", 3)] == [True, False, True, 3]
    with pytest.raises(TypeError, match="neither yes nor no"):
        p.strtobool("perhaps")


def test_exceptions_that_cannot_be_pickled():
    plain = ValueError("x")
    assert p.get_pickleable_exception(plain) is plain
    found = p.get_pickleable_exception(Needs("foo", bar="bar"))
    assert (found.exc_cls_name, found.exc_args) == ("Needs", ("foo",))
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == "Needs('foo')"
    assert str(p.UnpickleableExceptionWrapper("m", "N", (1,))) == "N(1,)"


def test_json():
    assert p.jsonify({"a": (1, 2)}) == {"a": [1, 2]}
