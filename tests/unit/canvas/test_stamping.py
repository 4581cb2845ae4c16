"""Stamps: who is marked with what."""

import pytest

from umbel.canvas.signatures import Signature, StampingVisitor, chain, chord, group


def s(name="a"):
    return Signature(name)


class Visitor(StampingVisitor):
    """Stamps every part with where it stands, and remembers what it saw."""

    def __init__(self):
        self.seen = []

    def on_signature(self, sig, **headers):
        self.seen.append(sig.task)
        return {"task_stamp": sig.task}

    def on_group_start(self, group, **headers):
        return {"in_group": len(group) if hasattr(group, "tasks") else 0}

    def on_group_end(self, group, **headers):
        self.seen.append(f"group {sorted(headers)}")

    def on_chain_start(self, chain, **headers):
        return {"in_chain": len(chain.tasks)}

    def on_chain_end(self, chain, **headers):
        self.seen.append(f"chain {sorted(headers)}")

    def on_chord_body(self, chord, **headers):
        return {"is_body": True}

    def on_chord_header_end(self, chord, **headers):
        self.seen.append("header")

    def on_callback(self, callback, **headers):
        return {"is_callback": True}

    def on_errback(self, errback, **headers):
        return {"is_errback": True}


def stamps(sig):
    return {name: sig.options[name] for name in sig.options.get("stamped_headers") or ()}


def test_stamps_by_name():
    found = s()
    found.stamp(tenant="acme", tags={"b", "a"})
    assert found.options == {"tenant": "acme", "tags": ["a", "b"], "stamped_headers": ["tenant", "tags"]}
    found.stamp(tenant="other")
    assert stamps(found) == {"tenant": "other", "tags": ["a", "b"]}
    found.stamp(append_stamps=True, tenant="third", tags="c", new=1)
    assert stamps(found) == {"tenant": ["third", "other"], "tags": ["c", "a", "b"], "new": 1}
    found.stamp()
    assert found.options["stamped_headers"] == ["tenant", "tags", "new"]


def test_all_parts_and_links_are_stamped():
    found = chain(s("a"), group(s("b"), chain(s("c"), s("d"))).set(link_error=[s("g")]), s("e"))
    found.set(link=[s("f")])
    found.stamp(x=1)
    inner = found.tasks[1]
    tasks = [found.tasks[0], *inner.tasks[:1], *inner.tasks[1].tasks, found.options["link"][0]]
    assert [(each.task, stamps(each)) for each in tasks] == [(name, {"x": 1}) for name in "abcdf"]
    assert stamps(inner.body) == {}  # as in Celery: a visitor alone stamps the body


def test_a_visitor_sees_all_of_a_workflow():
    visitor = Visitor()
    task = s("b").set(link=[s("done")], link_error=[s("failed")])
    workflow = chain(s("a"), chord([task, s("c")], s("d")))
    workflow.stamp(visitor, given=1)
    assert visitor.seen == ["a", "done", "failed", "b", "c", "header", "d", "chain ['given', 'in_chain', 'stamped_headers']"]
    around = {"given": 1, "in_chain": 2}
    joined = workflow.tasks[1]
    assert type(joined.tasks) is group
    assert stamps(workflow.tasks[0]) == {**around, "task_stamp": "a"}
    assert stamps(joined.tasks.tasks[0]) == {**around, "in_group": 2, "task_stamp": "b"}
    assert stamps(joined.body) == {**around, "in_group": 2, "is_body": True, "task_stamp": "d"}
    inside = joined.tasks.tasks[0].options
    (done,), (failed,) = inside["link"], inside["link_error"]
    assert stamps(done) == {**around, "in_group": 2, "is_callback": True, "task_stamp": "done"}
    assert stamps(failed) == {**around, "in_group": 2, "is_errback": True, "task_stamp": "failed"}


def test_names_that_are_no_stamps_are_options():
    class Urgent(StampingVisitor):
        def on_signature(self, sig, **headers):
            return {"id": 7, "priority": 5, "stamped_headers": ["id"]}

    found = s()
    found.stamp(Urgent())
    assert found.options == {"id": 7, "priority": 5, "stamped_headers": ["id"]}


def test_a_visitor_may_have_nothing_to_say():
    class Quiet(StampingVisitor):
        def on_signature(self, sig, **headers):
            return None

    found = group(s("a"), chord([s("b")], s("c")), chain(s("d"), s("e")))
    before = repr(found), found.clone()
    found.stamp(Quiet())
    assert (repr(found.clone()), [each.options for each in found.tasks]) == (repr(found), [{}, {}, {}])
    assert before[0] == repr(before[1])
    with pytest.raises(TypeError, match="abstract"):
        StampingVisitor()


def test_links_alone():
    found = s("a").set(link=[s("b")], link_error=[s("c")])
    found.stamp_links(x=1)
    assert (stamps(found), stamps(found.options["link"][0]), stamps(found.options["link_error"][0])) == ({}, {"x": 1}, {"x": 1})
