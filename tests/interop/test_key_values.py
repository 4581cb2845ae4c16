"""Results in files, in memcached and in MongoDB: Celery's clients read what Umbel's workers have stored, and the reverse. Chords are polled, as Celery does."""

from __future__ import annotations

import pytest

from interop.pairing import Pair
from interop.test_pairs import call
from interop.test_workflows import CHORDS, t
from system.conftest import database
from system.stage import Place

VALUES = [1, 1.5, "é\U0001f642", None, [1, [2]], {"a": {"b": [None]}}]

pytestmark = pytest.mark.redis


@pytest.fixture(params=["umbel", "celery"], ids=["umbel-client", "celery-client"])
def house(request):
    return request.param


@pytest.fixture(params=["files", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("memcached", "mongodb"))])
def backend(request, tmp_path):
    return f"file://{tmp_path}" if request.param == "files" else request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def pair(request, backend, house, unique):
    made = Pair(Place(name="values", broker=database(request, 5), backend=backend), unique("values"), house)
    made.settings.update(result_extended=True, result_chord_retry_interval=0.2, result_chord_polling=True)
    try:
        yield made
    finally:
        made.close()


def test_values_failures_groups_and_chords(pair, backend, house):
    pair.start_worker("-c", "2")
    # Celery counts its own chords in memcached, in a way of its own: its workers must run them.
    chords = {} if house == "celery" and backend.startswith("cache") else CHORDS
    workflows = [*chords.values(), (["group", [t("add", 1, 2), t("add", 3, 4)]], [3, 7])]
    calls = [call("echo", value) for value in VALUES] + [call("fail", "own", 7, "no")]
    found = pair.talk([*calls, *({"workflow": tree} for tree, _ in workflows)], timeout=20)
    assert [(answer.get("state"), answer.get("value")) for answer in found[: len(VALUES)]] == [("SUCCESS", [value]) for value in VALUES]
    failed, *others = found[len(VALUES) :]
    assert (failed["state"], failed["error"]) == ("FAILURE", ["system.workload", "Refused", [7, "no"]])
    assert "Refused" in failed["traceback"]
    assert [answer.get("value", answer) for answer in others] == [value for _, value in workflows]
