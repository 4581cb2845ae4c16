"""People and passwords."""

from __future__ import annotations

import pytest

from umbel.dashboard.security.people import Person, Role, hashed, known, read
from umbel.errors import ImproperlyConfigured


def test_reading():
    found = read(["# who", "", "ann:operator:pass:word", "bob:viewer:scrypt$x$y"], "people.txt")
    assert found == {"ann": Person("ann", Role.OPERATOR, "pass:word"), "bob": Person("bob", Role.VIEWER, "scrypt$x$y")}


@pytest.mark.parametrize("line", ["ann", "ann:operator", "ann:operator:", ":operator:secret", "ann:king:secret"])
def test_a_wrong_line_is_named_and_its_password_is_not(line):
    with pytest.raises(ImproperlyConfigured) as caught:
        read(["bob:viewer:x", line], "people.txt")
    assert "secret" not in str(caught.value)


def test_nobody_stands_there_twice():
    with pytest.raises(ImproperlyConfigured, match="twice"):
        read(["ann:viewer:x", "ann:admin:y"], "people.txt")


@pytest.mark.parametrize("kept", ["horse", hashed("horse", b"salt")])
def test_passwords(kept):
    people = {"ann": Person("ann", Role.ADMIN, kept)}
    assert known(people, "ann", "horse") is people["ann"]
    assert known(people, "ann", "Horse") is None
    assert known(people, "bob", "horse") is None
    assert known(people, "bob", "") is None


def test_roles_are_ordered():
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
