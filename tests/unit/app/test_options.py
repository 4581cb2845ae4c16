from datetime import UTC, datetime, timedelta

import pytest

from umbel.app.sending.options import PublishOptions
from umbel.errors import ImproperlyConfigured

SIGNATURE = {"task": "proj.add", "args": [1]}


def test_every_calling_option_of_celery_is_taken():
    PublishOptions.parse({
        "task_id": "x", "countdown": 1, "eta": None, "expires": 5, "retry": True, "retry_policy": {"max_retries": 1}, "queue": "q", "exchange": "e",
        "exchange_type": "direct", "routing_key": "k", "priority": 3, "delivery_mode": 1, "mandatory": True, "immediate": False, "declare": [],
        "router": None, "route_name": "n", "serializer": "json", "compression": "gzip", "headers": {}, "argsrepr": "a", "kwargsrepr": "k", "shadow": "s",
        "origin": "o", "link": SIGNATURE, "link_error": [SIGNATURE], "chain": [SIGNATURE], "chord": SIGNATURE, "group_id": "g", "group_index": 1,
        "root_id": "r", "parent_id": "p", "add_to_parent": False, "reply_to": "q", "retries": 2, "replaced_task_nesting": 1, "time_limit": 3,
        "soft_time_limit": 2, "ignore_result": True, "result_cls": None, "task_type": None, "connection": None, "producer": None, "publisher": None,
        "event_dispatcher": None, "timeout": 3, "confirm_timeout": 3, "expiration": 3, "user_id": "u", "app_id": "a", "message_id": "m", "type": "t",
        "timestamp": 1, "confirm": True,
    })  # fmt: skip


def test_amqp_properties_and_those_of_transports():
    found = PublishOptions.parse({"app_id": "a", "MessageGroupId": "g", "properties": {"x": 1}, "user_id": None})
    assert found.properties == {"x": 1, "app_id": "a", "MessageGroupId": "g"}


def test_an_expiration_is_in_seconds_and_travels_in_milliseconds():
    for given, wanted in [(5, "5000"), (0.25, "250"), (timedelta(minutes=1), "60000"), ("7", "7")]:
        assert PublishOptions.parse({"expiration": given}).properties == {"expiration": wanted}


def test_an_unknown_option_is_an_error_that_suggests():
    with pytest.raises(TypeError, match="no calling option contdown; did you mean countdown"):
        PublishOptions.parse({"contdown": 1})


def test_stamps_are_named_by_stamped_headers():
    found = PublishOptions.parse({"stamped_headers": ["tenant"], "tenant": "t1"})
    assert found.stamps == {"tenant": "t1"}
    with pytest.raises(TypeError):
        PublishOptions.parse({"tenant": "t1"})


def test_signatures_are_dicts():
    assert PublishOptions.parse({"link": SIGNATURE}).link == (SIGNATURE,)
    for wrong in ("proj.add", {"args": []}, [3]):
        with pytest.raises(ImproperlyConfigured, match="link takes signatures"):
            PublishOptions.parse({"link": wrong})


def test_durations():
    assert PublishOptions.parse({"countdown": timedelta(minutes=1)}).countdown == 60


@pytest.mark.parametrize("given", [{"priority": 256}, {"priority": True}, {"priority": "high"}])
def test_priorities(given):
    with pytest.raises(ValueError, match="0 to 255"):
        PublishOptions.parse(given)


@pytest.mark.parametrize("given", [{"task_id": 3}, {"headers": 3}])
def test_wrong_types(given):
    with pytest.raises(TypeError):
        PublishOptions.parse(given)


@pytest.mark.parametrize("task_id", ["x" * 256, "order 7\n", "a\0b", "\ud800"])
def test_ids_that_no_worker_would_take(task_id):
    with pytest.raises(ValueError, match="task_id must be printable text of 1 to 255 characters"):
        PublishOptions.parse({"task_id": task_id})


def test_weaker_options_fill_what_was_not_said():
    found = PublishOptions(queue="mine").over({"queue": "theirs", "priority": 3, "task_id": "never", "unknown": 1})
    assert (found.queue, found.priority, found.task_id) == ("mine", 3, None)
    same = PublishOptions(queue="mine")
    assert same.over({"queue": "theirs"}) is same


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"eta": 12}, TypeError, "eta must be a datetime or ISO 8601 text, got 12"),
        ({"eta": "tomorrow"}, ValueError, "eta must be a datetime or ISO 8601 text, got 'tomorrow'"),
        ({"countdown": "3"}, TypeError, "countdown must be a number of seconds or a timedelta, got '3'"),
        ({"expires": "soon"}, ValueError, "expires must be a number of seconds, a datetime, a timedelta or ISO 8601 text, got 'soon'"),
        ({"expires": []}, TypeError, "expires must be a number"),
        ({"time_limit": "9"}, TypeError, "time_limit must be a number"),
    ],
)
def test_a_wrong_value_is_told_with_its_options_name(given, error, text):
    with pytest.raises(error, match=text):
        PublishOptions.parse(given)


def test_times_of_every_kind_are_taken():
    moment = datetime(2030, 1, 31, tzinfo=UTC)
    for given in (moment, moment.isoformat(), "2030-01-31 12:00"):
        PublishOptions.parse({"eta": given, "expires": given})
    for seconds in (3, 0.5, timedelta(seconds=1)):
        PublishOptions.parse({"countdown": seconds, "expires": seconds, "time_limit": seconds})


def test_a_retry_policy_is_read_for_typing_errors():
    with pytest.raises(TypeError, match="retry_policy has no max_retrys; did you mean max_retries"):
        PublishOptions.parse({"retry_policy": {"max_retrys": 3}})
    PublishOptions.parse({"retry_policy": {"max_retries": 3, "interval_start": 0, "something": 1}})


def test_typing_errors_in_signatures_are_told_and_pass(caplog):
    PublishOptions.parse({"max_retires": 5, "tenant": 1}, lenient=True)
    assert [record.getMessage() for record in caplog.records] == [
        "a signature or retry(): max_retires is not an option; did you mean max_retries?"
    ]
