import pytest

from umbel.contrib.django.task import DjangoTask
from umbel.testing import FakeApp


@pytest.fixture
def app():
    with FakeApp() as app:
        yield app


@pytest.fixture
def mail(app):
    @app.task(base=DjangoTask)
    def mail(to): ...

    return mail


def test_a_call_waits_for_the_commit_and_has_its_id_before(app, mail):
    from django.db import transaction

    with transaction.atomic():
        first, second = mail.delay_on_commit("Ada"), mail.apply_async_on_commit(("Grace",), priority=3)
        assert app.fake.sent == []
    assert [message.headers["id"] for message, _ in app.fake.sent] == [first.id, second.id]
    assert [message.properties.get("priority") for message, _ in app.fake.sent] == [0, 3]


def test_a_rollback_takes_the_call_with_it(app, mail):
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        mail.delay_on_commit("Ada")
        raise ZeroDivisionError
    assert app.fake.sent == []


def test_without_a_transaction_it_goes_at_once(app, mail):
    assert mail.delay_on_commit("Ada").id == app.fake.sent[0][0].headers["id"]


def test_wrong_arguments_are_an_error_of_the_caller(app, mail):
    from django.db import transaction

    with pytest.raises(TypeError), transaction.atomic():
        mail.delay_on_commit()


def test_the_transaction_of_another_database(app, mail):
    from django.db import transaction

    with transaction.atomic(using="other"):
        mail.apply_async_on_commit(("Ada",), using="other")
        mail.delay_on_commit("Grace")  # there is no transaction on the default database
        assert len(app.fake.sent) == 1
    assert len(app.fake.sent) == 2
