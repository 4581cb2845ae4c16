"""Metrics in Prometheus' text form."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from umbel.dashboard.api import metrics
from umbel.dashboard.api.metrics import written
from umbel.dashboard.live.counters import _MOST, Counters


def test_names_from_messages_cannot_leave_their_label():
    hostile = 'x"} 1\nevil{a="\\'
    text = "\n".join(written("umbel_x", "gauge", "Help.", [("", {"task": hostile}, 2)])) + "\n"
    (family,) = text_string_to_metric_families(text)
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"task": hostile}, 2.0)]


def test_memory_does_not_grow_with_names():
    counters = Counters()
    for number in range(_MOST + 500):
        counters.learn({"type": "task-succeeded", "hostname": "w", "runtime": 0.1}, f"name-{number}")
    assert len(counters.events()) <= _MOST + 1
    assert sum(counters.events().values()) == _MOST + 500


def test_alerts_and_grafana_name_metrics_that_there_are():
    source = Path(metrics.__file__).read_text()
    folder = Path(__file__).parents[4] / "deploy" / "monitoring"
    for file in ("alerts.yaml", "grafana.json"):
        named = set(re.findall(r"\b(?:umbel_(?:fleet|dashboard)|flower)_\w+", (folder / file).read_text()))
        assert len(named) > 4
        assert not [name for name in named if f'"{name.removesuffix("_bucket")}"' not in source]
