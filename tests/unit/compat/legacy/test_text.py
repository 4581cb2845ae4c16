from umbel.compat.legacy import text as t


def test_texts():
    assert t.truncate("abcdefgh", 6) == "abc..."
    assert t.truncate("abc", 6) == "abc"
    assert t.abbr("abcdef", 5) == "ab..."
    assert t.abbr("abcdef", 5, None) == "abcde"
    assert t.pluralize(1, "task") == "task"
    assert t.pluralize(2, "task") == "tasks"
    assert t.str_to_list("a,b") == ["a", "b"]
    assert t.str_to_list(["a"]) == ["a"]
    assert t.indent("a\nb", 2) == "  a\n  b"
    assert t.dedent("  a\n  b") == "a\nb"
    assert t.join([1, 2]) == "1, 2"
    assert t.pretty({"a": 1}) == "\n{'a': 1}"
    assert t.saferepr(["x" * 99], maxlen=20).startswith("['xxx")
