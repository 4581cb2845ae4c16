import pytest

from umbel.execution.request import Request

FIELDS = {
    "lang": "py", "task": "proj.add", "id": "x", "eta": "2030-01-01T00:00:00+00:00", "expires": None, "group": "g", "group_index": 2, "retries": 3,
    "timelimit": [10, 5], "root_id": "r", "parent_id": "p", "argsrepr": "(1,)", "kwargsrepr": "{}", "origin": "gen1@host", "ignore_result": False,
    "stamped_headers": ["tenant"], "stamps": {"tenant": "t"}, "my_header": "mine", "x-death": [], "x-umbel-attempts": 1, "compression": "gzip",
}  # fmt: skip


@pytest.fixture
def request_():
    embed = {"callbacks": [{"task": "a"}], "errbacks": None, "chain": None, "chord": None}
    properties = {"correlation_id": "x", "reply_to": "q", "priority": 4}
    return Request(None, "x", [1], {}, FIELDS, embed, properties, ("ex", "key", True), "w1@host")


def test_attributes_of_a_request(request_):
    assert request_.task == "proj.add"
    assert (request_.retries, request_.root_id, request_.parent_id, request_.group, request_.taskset) == (3, "r", "p", "g", "g")
    assert (request_.time_limit, request_.soft_time_limit) == (10, 5)
    assert request_.delivery_info == {"exchange": "ex", "routing_key": "key", "priority": 4, "redelivered": True}
    assert (request_.reply_to, request_.correlation_id, request_.hostname) == ("q", "x", "w1@host")
    assert request_.callbacks == [{"task": "a"}]
    assert request_.errbacks is None
    assert request_.headers == {"my_header": "mine"}
    assert request_.my_header == "mine"
    assert request_.stamps == {"tenant": "t"}
    assert (request_.is_eager, request_.called_directly, request_.utc) == (False, False, True)


def test_missing_headers_have_defaults():
    bare = Request(None, "x", [], {}, {})
    assert (bare.retries, bare.root_id, bare.parent_id, bare.timelimit, bare.lang) == (0, "x", None, (None, None), "py")
    assert bare.callbacks is None
    assert bare.headers == {}
    assert bare.stamps == {}


@pytest.mark.parametrize("retries", ["3", None, -1, 2.5, True])
def test_nonsense_in_headers_does_no_harm(retries):
    assert Request(None, "x", [], {}, {"retries": retries, "timelimit": 3}).retries == 0


def test_unknown_names(request_):
    with pytest.raises(AttributeError, match="nonsense"):
        _ = request_.nonsense
    assert request_.get("nonsense", 1) == 1


def test_attributes_may_be_set(request_):
    request_.update({"retries": 9}, mine=1)
    assert (request_.retries, request_.mine) == (9, 1)
    request_.clear()
    assert request_.called_directly


def test_options_to_send_it_again(request_):
    options = request_.as_execution_options()
    assert options["task_id"] == "x"
    assert options["retries"] == 3
    assert options["link"] == [{"task": "a"}]
    assert (options["time_limit"], options["soft_time_limit"]) == (10, 5)
    assert options["headers"] == {"my_header": "mine"}
