from umbel.compat.legacy import functional as f


def test_lists():
    assert list(f.chunks(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert f.padlist([1, 2, 3], 2) == [1, 2]
    assert f.padlist([1], 3, "x") == [1, "x", "x"]
    assert f.maybe_list("a") == ["a"]
    assert f.maybe_list(["a"]) == ["a"]
    assert f.maybe_list(None) is None
    assert list(f.uniq([1, 2, 1])) == [1, 2]
    assert list(f.lookahead([1, 2])) == [(1, 2), (2, None)]
    assert f.first(None, [None, 2, 3]) == 2
    assert f.first(lambda each: each > 2, [1, 2, 3]) == 3
    assert f.first(lambda each: each > 9, [1]) is None
    assert f.dictfilter({"a": None, "b": 1}, c=None) == {"b": 1}
    assert f.noop(1, x=2) is None


def test_functions():
    assert f.fun_accepts_kwargs(lambda **kw: kw)
    assert not f.fun_accepts_kwargs(lambda x: x)
    calls = []

    @f.memoize(maxsize=2)
    def double(x):
        calls.append(x)
        return 2 * x

    assert [double(1), double(1), double(2), double(3), double(1)] == [2, 2, 4, 6, 2]
    assert calls == [1, 2, 3, 1]
    double.clear()
    assert double(3) == 6


def test_a_cache_forgets_what_was_used_longest_ago():
    cache = f.LRUCache(limit=2)
    cache["a"], cache["b"] = 1, 2
    assert cache["a"] == 1
    cache["c"] = 3
    assert sorted(cache) == ["a", "c"]


def test_what_an_iterator_yields_is_kept():
    kept = f.regen(each for each in (1, 2))
    assert [list(kept), list(kept), len(kept), kept[0], bool(kept)] == [[1, 2], [1, 2], 2, 1, True]
    assert f.regen([1]) == [1]
    assert not f.regen(iter(()))
