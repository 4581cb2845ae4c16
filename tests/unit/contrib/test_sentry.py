from __future__ import annotations

import sys

import pytest

from umbel import Umbel, hooks
from umbel.testing import start_worker

# The SDK imports eventlet where that is installed, which from then on warns of each fork in this process.
with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, "eventlet.patcher", None)
    patch.setitem(sys.modules, "eventlet", sys.modules.get("eventlet"))
    import sentry_sdk
    from sentry_sdk import integrations
    from sentry_sdk.transport import Transport

    from umbel.contrib import sentry
    from umbel.contrib.sentry import UmbelIntegration


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options=None):
        super().__init__(options)
        self.items = []

    def capture_envelope(self, envelope):
        self.items += [item.payload.json for item in envelope.items if item.payload.json is not None]


@pytest.fixture
def reports():
    def begin(**options):
        kept = Kept()
        integration = UmbelIntegration(**{name: options.pop(name) for name in ("send_arguments", "propagate_traces") if name in options})
        sentry_sdk.init(
            dsn="https://key@sentry.example/1", transport=kept, integrations=[integration], default_integrations=False,
            auto_enabling_integrations=False, **options,
        )  # fmt: skip
        return kept.items

    yield begin
    sentry_sdk.get_client().close()
    sentry_sdk.init()
    for name in sentry._RECEIVERS:  # other tests of this process must find nobody listening
        getattr(hooks, name).disconnect(dispatch_uid=sentry.__name__)
    for names in (integrations._processed_integrations, integrations._installed_integrations):
        names.discard(UmbelIntegration.identifier)


@pytest.fixture
def app(tmp_path):
    app = Umbel("reported", broker=f"memory:///{tmp_path.name}", backend=f"cache+memory:///{tmp_path.name}", set_as_current=False)

    @app.task(name="fail")
    def fail(secret):
        sentry_sdk.set_tag("tag", secret)
        raise ValueError("no")

    @app.task(name="expected", throws=(KeyError,))
    def expected():
        raise KeyError("known")

    @app.task(name="again", bind=True, max_retries=1)
    def again(self):
        if not self.request.retries:
            raise self.retry(countdown=0)

    yield app
    app.close()


def run(app, name, *args):
    with start_worker(app):
        app.tasks[name].delay(*args).get(timeout=10, propagate=False)


def test_an_error_is_reported_with_its_task(app, reports):
    items = reports()
    run(app, "fail", "a")
    (event,) = items
    assert event["exception"]["values"][-1]["value"] == "no"
    assert event["transaction"] == "fail"
    assert event["tags"]["tag"] == "a"
    assert event["contexts"]["umbel"]["task_name"] == "fail"
    assert "args" not in event["contexts"]["umbel"]


def test_arguments_are_reported_where_that_is_wanted(app, reports):
    items = reports(send_arguments=True)
    run(app, "fail", "a")
    assert items[0]["contexts"]["umbel"]["args"] == ["a"]


def test_one_tasks_scope_is_not_anothers(app, reports):
    items = reports()
    run(app, "fail", "a")
    sentry_sdk.capture_message("later")
    assert "tag" not in items[1].get("tags", {})


@pytest.mark.parametrize("name", ["expected", "again"])
def test_what_is_expected_is_not_reported(app, reports, name):
    items = reports()
    run(app, name)
    assert items == []


def test_a_trace_goes_over_the_message(app, reports):
    items = reports(traces_sample_rate=1.0)
    with start_worker(app), sentry_sdk.start_transaction(name="request") as request:
        app.tasks["again"].delay().get(timeout=10)
    transactions = [each for each in items if each["type"] == "transaction"]
    assert {each["transaction"] for each in transactions} == {"request", "again"}
    assert {each["contexts"]["trace"]["trace_id"] for each in transactions} == {request.trace_id}
    assert {each["contexts"]["trace"].get("op") for each in transactions if each["transaction"] == "again"} == {"queue.task.umbel"}
