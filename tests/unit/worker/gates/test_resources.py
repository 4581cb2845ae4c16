from __future__ import annotations

import pytest

from umbel.worker.gates.base import PASS, Asked, Later, Wait
from umbel.worker.gates.resources import Resources, parse_resources
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry, outcome, task_policy


def need(**amounts):
    return tuple(sorted(amounts.items()))


class Door:
    """The gate, and the lines before it."""

    def __init__(self, **capacity):
        self.now, self.here, self.reopened, self.ahead = 100.0, set(), [], {}
        self.gate = Resources(capacity, self.here.__contains__, self.reopened.append)

    def ask(self, is_due=True, name="t", **amounts):
        task = entry(name=name, resources=need(**amounts))
        asked = Asked(task=task, now=self.now, is_due=is_due, ahead=lambda line: self.ahead.get(line, 0), near=5.0)
        answer = self.gate.ask(asked)
        if answer is not PASS:
            return answer
        if is_due:
            self.gate.passed(asked)
            self.here.add(task)
        return task

    def end(self, task):
        self.here.discard(task)
        self.gate.ended([(task, outcome(1))])


GPU = Wait("resources:gpu", WaitReason.RESOURCES)


def test_what_fits_passes_and_what_does_not_waits():
    door = Door(gpu=1)
    for amount in (0.3, 0.3, 0.4):
        assert door.ask(gpu=amount).policy.resources == (("gpu", amount),)
    assert door.gate.free() == {"gpu": 0.0}
    assert door.ask(gpu=0.1) == GPU
    assert door.gate.opens_in("resources:gpu", 0.0) > 0
    assert door.gate.opens_in("batch:t", 0.0) is None


def test_the_end_of_a_task_frees_its_share_and_opens_the_line():
    door = Door(gpu=1)
    first = door.ask(gpu=0.7)
    assert door.ask(gpu=0.7) == GPU
    door.end(first)
    assert door.reopened == ["resources:gpu"]
    assert not door.gate
    assert door.ask(gpu=0.7) is not PASS
    assert bool(door.gate)


def test_nobody_is_let_past_who_waits_for_the_same():
    door = Door(gpu=1)
    door.ask(gpu=0.5)
    door.ahead["resources:gpu"] = 1  # one that needs all of it
    assert door.ask(gpu=0.1) == GPU


def test_of_many_that_wait_most_come_back_later():
    door = Door(gpu=1)
    door.ask(gpu=1)
    door.ahead["resources:gpu"] = 4
    assert isinstance(door.ask(gpu=1), Later)


def test_resources_that_have_nothing_to_do_with_each_other_have_lines_of_their_own():
    door = Door(gpu=1, licence=1, disk=1, tape=1)
    policies = [task_policy(resources=need(**dict.fromkeys(names, 1.0))) for names in (["gpu", "disk"], ["licence"], ["tape", "disk"])]
    assert door.gate.learn(policies) == []
    door.ask(gpu=1)
    assert door.ask(tape=0.5) != GPU
    assert door.ask(gpu=0.5) == Wait("resources:disk", WaitReason.RESOURCES)
    assert door.ask(licence=0.5) not in (PASS, GPU)


def test_what_left_in_another_way_is_found_after_a_while():
    door = Door(gpu=1)
    task = door.ask(gpu=1)
    door.here.clear()  # it expired, or its child died
    assert door.ask(gpu=1) == GPU, "it may have passed just now, and not be anywhere yet"
    door.now += 0.5
    assert door.ask(gpu=1) not in (GPU, task)


def test_more_than_there_is_goes_to_other_workers_and_is_named():
    door = Door(gpu=1)
    assert isinstance(door.ask(gpu=2), Later)
    assert isinstance(door.ask(tape=1), Later)
    policies = [task_policy("large", resources=need(gpu=2.0)), task_policy("other", resources=need(tape=1.0)), task_policy("plain")]
    assert door.gate.learn(policies) == ["large", "other"]


def test_what_this_worker_can_never_run_comes_back_soon_and_many_one_after_another():
    door = Door(gpu=1)
    soon = [door.ask(gpu=2).seconds for _ in range(1000)]
    assert soon[:3] == pytest.approx([0.5, 0.6, 0.7])
    assert soon[-1] == 30.0
    door.now += 60
    assert door.ask(gpu=2).seconds == pytest.approx(0.5), "as soon as there are few"


def test_what_is_not_due_and_what_needs_nothing_is_let_by():
    door = Door(gpu=1)
    assert door.ask(is_due=False, gpu=2).policy.resources
    assert not door.gate.concerns(entry())
    assert door.gate.concerns(entry(resources=need(gpu=1.0)))
    assert not task_policy(resources=need(gpu=1.0)).is_plain


def test_many_small_shares_make_a_whole():
    door = Door(gpu=1)
    for _ in range(10):
        door.ask(gpu=0.1)
    assert door.ask(gpu=0.1) == GPU


@pytest.mark.parametrize(("text", "found"), [("gpu=1,vram_gb=24.5", {"gpu": 1.0, "vram_gb": 24.5}), (" a = 0 , ", {"a": 0.0}), ("", {})])
def test_the_command_line(text, found):
    assert parse_resources(text) == found


@pytest.mark.parametrize("text", ["gpu", "gpu=", "=1", "gpu=x", "gpu=-1", "gpu=inf", "gpu=nan"])
def test_what_is_no_resource_is_named(text):
    with pytest.raises(ValueError, match="expected NAME=NUMBER"):
        parse_resources(text)
