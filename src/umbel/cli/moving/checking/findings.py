"""A finding about a project, and the words for how much it matters."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.IntEnum):
    """The consequence of a finding."""

    WORKS = 0
    DIFFERS = 1
    MUST_CHANGE = 2

    @property
    def word(self) -> str:
        """The word for people and for JSON."""
        return ("works", "differs", "must change")[self]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One finding."""

    #: Of the project; relative. Empty: of the whole.
    path: str
    #: From 1; 0 is the whole file.
    line: int
    verdict: Verdict
    #: The thing: a name, a setting, a URL without its password.
    subject: str
    #: A sentence that says what happens, and what to do.
    text: str = ""

    def document(self) -> dict[str, object]:
        """The finding as JSON."""
        return {
            "file": self.path or None,
            "line": self.line or None,
            "verdict": self.verdict.word,
            "subject": self.subject,
            "text": self.text,
        }
