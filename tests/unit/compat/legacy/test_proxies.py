from umbel.compat.legacy.proxies import PromiseProxy, Proxy, class_property, maybe_evaluate, try_import


def test_a_proxy_stands_for_what_its_function_returns():
    found = {"a": 1}
    proxy = Proxy(lambda: found)
    proxy["b"] = 2
    assert (proxy["a"], "b" in proxy, len(proxy), sorted(proxy), str(proxy)) == (1, True, 2, ["a", "b"], str(found))
    assert isinstance(proxy, dict)
    assert proxy == found
    named = Proxy(lambda x, y: (x, y), (1,), {"y": 2}, name="pair", __doc__="Two.")
    assert (named._get_current_object(), named.__name__, named.__doc__) == ((1, 2), "pair", "Two.")


def test_a_promise_asks_once():
    asked = []
    promise = PromiseProxy(lambda: asked.append(1) or [0])
    assert not promise.__evaluated__()
    assert [promise[0], len(promise), asked] == [0, 1, [1]]
    assert promise.__evaluated__()
    assert maybe_evaluate(promise) is promise.__maybe_evaluate__()
    assert maybe_evaluate(3) == 3


def test_properties_of_classes():
    class Kind:
        _x = 1
        x = class_property(lambda cls: cls._x, lambda cls, value: setattr(cls, "_x", value))

    assert Kind.x == 1
    Kind().x = 2
    assert Kind.x == 2


def test_modules_that_may_be_missing():
    assert try_import("no_such_module", 1) == 1
    assert try_import("json").__name__ == "json"
