from __future__ import annotations

import pickle
import zlib

import pytest

from umbel.wire.serializers import content_types
from umbel.worker.remote.task_info import TaskInfos
from umbel.worker.tasks.waiting_room import Waiting, WaitReason
from unit.worker.stand_ins import delivery

ACCEPT = content_types(["json", "pickle"])


def arguments(body, infos=None, content_type="application/json", encoding="utf-8", **headers):
    message = delivery("a", body=body, argsrepr="(as text,)", kwargsrepr="{as: text}", **headers)
    message.content_type, message.content_encoding = content_type, encoding
    info = (infos or TaskInfos("w", ACCEPT)).waiting(Waiting(message, WaitReason.DUE, 0.0))
    return info["args"], info["kwargs"]


PREVIEW = ("(as text,)", "{as: text}")


class Evil:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return pytest.fail, ("code of a message was run",)


def test_arguments_are_shown_as_they_are():
    assert arguments(b'[[1, "two"], {"k": null}, {}]') == ([1, "two"], {"k": None})
    assert arguments(zlib.compress(b"[[1], {}, {}]"), compression="application/x-gzip") == ([1], {})
    assert arguments(pickle.dumps(([1], {"k": 2}, {})), None, "application/x-python-serialize", "binary") == ([1], {"k": 2})


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (b"not json", "application/json", {}),
        (b"[[1], {}]", "application/json", {}),
        (b'[1, "x", {}]', "application/json", {}),
        (b"[[" + b"1," * 20_000 + b"1], {}, {}]", "application/json", {}),
        (zlib.compress(b"[[" + b"1," * 2_000_000 + b"1], {}, {}]"), "application/json", {"compression": "application/x-gzip"}),
        (b"[[1], {}, {}]", "application/json", {"compression": "what"}),
        (pickle.dumps(([Evil()], {}, {})), "application/x-python-serialize", {}),
        (b"[[1], {}, {}]", "application/x-yaml", {}),
    ],
    ids=["unreadable", "short", "other", "large", "bomb", "compression", "pickle", "not accepted"],
)
def test_what_cannot_be_shown_so_is_shown_as_its_sender_has_written_it(body, content_type, headers):
    assert arguments(body, None, content_type, "utf-8" if "json" in content_type else "binary", **headers) == PREVIEW


def test_one_reply_holds_so_many_bodies_and_then_previews():
    infos = TaskInfos("w", ACCEPT)
    body = b'[["' + b"x" * 30_000 + b'"], {}, {}]'
    found = [arguments(body, infos) for _ in range(40)]
    assert found[0] != PREVIEW
    assert found[-1] == PREVIEW


def test_previews_are_bounded_and_may_be_missing():
    message = delivery("a", body=b"", argsrepr="x" * 100_000, kwargsrepr=3)
    info = TaskInfos("w", ACCEPT, safe=True).waiting(Waiting(message, WaitReason.RATE))
    assert (len(info["args"]), info["kwargs"]) == (4096, "?")


def test_a_line_at_a_gate_has_no_time():
    assert TaskInfos("w", ACCEPT).scheduled(Waiting(delivery("a"), WaitReason.RATE))["eta"] is None
