"""Every captured message, Celery's and the Node clients', can be read."""

from __future__ import annotations

import json

import pytest

from golden import captures
from umbel.errors import ContentDisallowed
from umbel.messages import protocols, v2
from umbel.messages.protocols import TaskProtocol
from umbel.wire import serializers

ACCEPT = serializers.content_types(["json", "pickle", "yaml", "msgpack"])

MESSAGES = [
    pytest.param(captured, id=f"{broker}-{scenario.name}-{number}")
    for broker in captures.BROKERS
    for scenario in captures.published(broker).values()
    for number, captured in enumerate(scenario.messages)
]
FOREIGN = [
    pytest.param(captured, id=f"{broker}-{number}")
    for broker in captures.BROKERS
    for number, captured in enumerate(captures.foreign(broker))
]


@pytest.mark.parametrize("captured", MESSAGES)
def test_celery(captured):
    task = protocols.parse(captured.message, accept=ACCEPT)
    assert task.task.startswith(("tasks.", "celery.", "other."))
    assert task.id == captured.message.properties["correlation_id"]
    assert task.reply_to == captured.message.properties["reply_to"]
    if not protocols.has_task_headers(captured.message):
        return
    # Rendering what was read gives the same headers again, and nothing is left over.
    assert v2.headers(task) == {name: value for name, value in captured.message.headers.items() if name != "compression"}
    if captured.message.content_type == "application/json" and "compression" not in captured.message.headers:
        assert json.loads(v2.render(task).body) == json.loads(captured.message.body)


@pytest.mark.parametrize("captured", FOREIGN)
def test_foreign_clients(captured):
    task = protocols.parse(captured.message, accept=ACCEPT)
    assert task.task.startswith("tasks.")
    assert task.id
    assert task.retries == 0
    assert task.timelimit == (None, None)
    assert task.headers == {}
    assert not any((task.embed.callbacks, task.embed.errbacks, task.embed.chain, task.embed.chord))


@pytest.mark.parametrize("captured", [*MESSAGES, *FOREIGN])
def test_upgraded_to_protocol_2_it_means_the_same(captured):
    upgraded = protocols.upgrade(captured.message, accept=ACCEPT)
    assert protocols.has_task_headers(upgraded)
    assert protocols.detect(upgraded, v2.decode(upgraded, ACCEPT, 1 << 20)) is TaskProtocol.V2
    before, after = protocols.parse(captured.message, accept=ACCEPT), protocols.parse(upgraded, accept=ACCEPT)
    assert (before.task, before.id, before.eta, before.expires, before.embed) == (
        after.task,
        after.id,
        after.eta,
        after.expires,
        after.embed,
    )
    assert (list(before.args), before.kwargs, before.group, before.headers) == (list(after.args), after.kwargs, after.group, after.headers)


@pytest.mark.parametrize("captured", [*MESSAGES, *FOREIGN])
def test_nothing_is_decoded_that_is_not_accepted(captured):
    with pytest.raises(ContentDisallowed):
        protocols.parse(captured.message, accept=frozenset())


def test_the_node_clients_cover_both_protocols():
    found = {
        protocols.detect(captured.message, v2.decode(captured.message, ACCEPT, 1 << 20))
        for broker in captures.BROKERS
        for captured in captures.foreign(broker)
    }
    assert found == {TaskProtocol.V1, TaskProtocol.V2}
