import threading

import pytest

from umbel.brokers.confirms.attempts import LastFailure, Retries
from umbel.clients.amqp.channels import ChannelError
from umbel.errors import AccessRefused, OperationalError


def test_who_came_before_a_failure_fails_with_it():
    failure = LastFailure()
    failure.raise_since(0.0)
    error = AccessRefused("no such user")
    failure.remember(error, 5.0)
    with pytest.raises(AccessRefused, match="no such user") as caught:
        failure.raise_since(5.0)
    assert caught.value is not error, "its traceback would keep the variables of whoever raised it"
    failure.raise_since(5.1)
    failure.clear()
    failure.raise_since(0.0)


def test_a_kind_that_is_made_of_more_than_a_text_is_told_as_the_kind_it_is():
    failure = LastFailure()
    failure.remember(ChannelError(404, "NOT_FOUND"), 5.0)
    with pytest.raises(OperationalError, match="404 NOT_FOUND") as caught:
        failure.raise_since(1.0)
    assert type(caught.value) is OperationalError


def test_retries_are_of_one_thread_and_one_block():
    retries, seen = Retries(3), []
    with retries.limited(0):
        thread = threading.Thread(target=lambda: seen.append(retries.allowed))
        thread.start()
        thread.join()
        seen.append(retries.allowed)
    seen.append(retries.allowed)
    assert seen == [3, 0, 3]
