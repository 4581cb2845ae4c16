"""Workflows as data: signatures, chains, groups and chords; what their parts are called (ids), which messages start them, what follows a task.

Pure: no socket, clock, thread or broker. Bottom up: `shapes` reads signatures, `opening` takes them apart, `operators` puts them together,
`freezing` gives ids, `planning` says what to publish, `successors` what follows. `signature`, `chain`, `group`, `chord` and `chunks` are the
classes that users hold.
"""

from __future__ import annotations

from umbel.canvas.signatures.chain import chain
from umbel.canvas.signatures.chord import chord
from umbel.canvas.signatures.chunks import chunks, xmap, xstarmap
from umbel.canvas.signatures.group import group
from umbel.canvas.signatures.signature import Signature, maybe_signature, signature, subtask
from umbel.canvas.stamping import StampingVisitor

__all__ = [
    "Signature", "StampingVisitor", "chain", "chord", "chunks", "group", "maybe_signature", "signature", "subtask", "xmap", "xstarmap",
]  # fmt: skip
