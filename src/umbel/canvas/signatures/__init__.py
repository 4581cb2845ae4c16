"""The classes that users hold: signatures, and the chains, groups and chords made of them."""

from __future__ import annotations

from umbel.canvas.signatures.base import Signature, maybe_signature, signature, subtask
from umbel.canvas.signatures.chains import chain
from umbel.canvas.signatures.chords import chord
from umbel.canvas.signatures.chunking import chunks, xmap, xstarmap
from umbel.canvas.signatures.groups import group
from umbel.canvas.stamping import StampingVisitor

__all__ = [
    "Signature", "StampingVisitor", "chain", "chord", "chunks", "group", "maybe_signature", "signature", "subtask", "xmap", "xstarmap",
]  # fmt: skip
