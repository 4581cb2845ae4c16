import pytest

from umbel.brokers.exchanges import matches, matching, rules_of
from umbel.brokers.topology import Binding, Exchange, Queue
from umbel.errors import ImproperlyConfigured


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("#", "", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "ab", False),
        ("#.c", "c", True),
        ("#.c", "a.b.c", True),
        ("a.#.c", "a.c", True),
        ("a.#.#.c", "a.x.y.c", True),
        ("a+.b", "aa.b", False),
        ("", "", True),
    ],
)
def test_topics(pattern, key, expected):
    assert matches("topic", pattern, key) is expected


def test_many_wildcards_take_no_time():
    assert not matches("topic", ".".join(["#"] * 50) + ".z", "a." * 200)


def test_a_queue_is_filled_once():
    rules = [("x", "topic", "a.*", "q"), ("x", "topic", "#", "q"), ("x", "direct", "a.b", "r"), ("x", "fanout", "", "s")]
    assert matching(rules, "a.b") == ["q", "r", "s"]
    assert matching(rules, "z") == ["q", "s"]


def test_the_rules_of_a_queue():
    queue = Queue("q", bindings=(Binding(Exchange("fan", "fanout")), Binding(Exchange(""), "q")))
    assert list(rules_of(queue)) == [("q", "direct", "q", "q"), ("fan", "fanout", "", "q")]
    with pytest.raises(ImproperlyConfigured, match="headers"):
        list(rules_of(Queue("q", Exchange("x", "headers"))))
