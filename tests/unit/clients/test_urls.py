"""What a wrong URL is answered with; never its password."""

from __future__ import annotations

import pytest

from umbel.clients.urls import parse
from umbel.errors import ImproperlyConfigured
from umbel.results import registry


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("me:hunter2@localhost", "'**@localhost' is not a broker URL"),
        ("amqp://me:hunter2/x@localhost/", "amqp://**@localhost/ has a / or ? in its user or password: write %2F or %3F"),
        ("amqp://me:hunter2?@localhost/", "write %2F or %3F"),
        ("amqp://me:hunter2@localhost:port/", "amqp://**@localhost:port/ has a port after localhost that is not a number"),
        ("amqp://me:hunter2@localhost:99999/", "not a number up to 65535"),
        ("amqp://me:hunter2", "has a port after me that is not a number"),
        ("redis://:9/hunter2@localhost", "redis://**@localhost has an @ after its first /: write %2F for a / in its user or password"),
        ("redis://me:9/hunter2/x@localhost:1/2", "redis://**@localhost:1/2 has an @ after its first /"),
        ("amqp://me:a@b/hunter2@localhost/", "amqp://**@localhost/ has an @ after its first /"),
        ("amqp://me:hunter2@[::1", "amqp://**@[::1 is not complete"),
    ],
)
def test_a_wrong_url_is_explained_without_its_password(text, said):
    with pytest.raises(ImproperlyConfigured) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_neither_does_a_wrong_result_backend_show_it():
    with pytest.raises(ImproperlyConfigured, match="expected a URL") as caught:
        registry._made_by("me:hunter2@localhost", None)
    assert "hunter2" not in str(caught.value)
