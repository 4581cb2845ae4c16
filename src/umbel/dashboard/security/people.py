"""People: names, roles, passwords. Pure, but for the time that hashing takes."""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from umbel.errors import ImproperlyConfigured

_PREFIX: Final = "scrypt$"
#: Cost of scrypt: 16 MB and some 50 ms.
_N, _R, _P = 2**14, 8, 1


class Role(enum.IntEnum):
    """A role; the higher ones may do what the lower ones may."""

    #: May look.
    VIEWER = 1
    #: May also do what can be undone, or done again.
    OPERATOR = 2
    #: May also do what cannot be undone, and send tasks.
    ADMIN = 3

    @classmethod
    def named(cls, text: str) -> Role:
        """Find a role by its name, ``text``.

        Raises:
            ImproperlyConfigured: there is none.
        """
        try:
            return cls[text.strip().upper()]
        except KeyError:
            raise ImproperlyConfigured(f"{text!r} is no role: expected viewer, operator or admin") from None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in."""

    name: str
    role: Role
    #: As `hashed` writes it, or a plain one.
    password: str = ""


#: Whoever reaches a dashboard at which nobody has to log in.
ANYBODY: Final = Person("anybody", Role.ADMIN)


def hashed(password: str, salt: bytes | None = None) -> str:
    """Write a ``password`` so that it cannot be read, with a new ``salt`` when none is given."""
    salt = os.urandom(16) if salt is None else salt
    key = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=_N, r=_R, p=_P, dklen=32)
    return f"{_PREFIX}{base64.urlsafe_b64encode(salt).decode()}${base64.urlsafe_b64encode(key).decode()}"


def read(lines: Iterable[str], where: str) -> dict[str, Person]:
    """Read people, ``name:role:password`` each, the password as it is or as `hashed` writes it.

    Args:
        lines: empty ones and those that begin with # are passed over.
        where: they stand, for errors.

    Raises:
        ImproperlyConfigured: a line is none of these; it does not say the password.
    """
    found: dict[str, Person] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, rest = text.partition(":")
        role, second, password = rest.partition(":")
        if not (colon and second and name and password):
            raise ImproperlyConfigured(f"{where}, line {number}: expected name:role:password, e.g. ann:operator:scrypt$…")
        if name in found:
            raise ImproperlyConfigured(f"{where}, line {number}: {name} stands there twice")
        found[name] = Person(name, Role.named(role), password)
    return found


def known(people: Mapping[str, Person], name: str, password: str) -> Person | None:
    """Return the person of this name, if the password is theirs. It takes as long for a name that nobody has.

    Args:
        people: by name.
        name: as given.
        password: as given.
    """
    person = people.get(name)
    kept = person.password if person is not None else ""
    if not kept.startswith(_PREFIX):
        is_theirs = hmac.compare_digest(hashed(password, _SALT), hashed(kept, _SALT))
    else:
        salt = base64.urlsafe_b64decode(kept.split("$")[1])
        is_theirs = hmac.compare_digest(hashed(password, salt), kept)
    return person if person is not None and kept and is_theirs else None


_SALT: Final = os.urandom(16)
