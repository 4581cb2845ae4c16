"""Settings after ``--``."""

from __future__ import annotations

import click
import pytest

from umbel.cli.overrides import parse_overrides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker_prefetch_multiplier=4", {"worker_prefetch_multiplier": 4}),
        ("worker.prefetch_multiplier=1", {"worker_prefetch_multiplier": 1}),
        ("broker_connection_timeout=1.5", {"broker_connection_timeout": 1.5}),
        ("task_acks_late=false", {"task_acks_late": False}),
        ("result_expires=none", {"result_expires": None}),
        ("task_default_queue=fast", {"task_default_queue": "fast"}),
        ("broker_url=amqp://a?b=c", {"broker_url": "amqp://a?b=c"}),
        ("x=(int)10", {"x": 10}),
        ("x=(str)10", {"x": "10"}),
        ("x=(bool)yes", {"x": True}),
        ("x=(list)a, b", {"x": ["a", "b"]}),
        ('x=(json){"a": 1}', {"x": {"a": 1}}),
        ("x=(odd)10", {"x": "(odd)10"}),
        ("x=", {"x": ""}),
    ],
)
def test_values(text, expected):
    assert parse_overrides([text]) == expected


@pytest.mark.parametrize("text", ["worker", "=1", "a b=1", "x=(int)ten", "x=(bool)maybe", "x=(json){"])
def test_refused(text):
    with pytest.raises(click.UsageError):
        parse_overrides([text])
