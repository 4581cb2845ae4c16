"""Checks of requests."""

from __future__ import annotations

import pytest

from umbel.dashboard.security.checks import Tokens, is_known_host, is_loopback, is_meant, security_headers

FORM = {"host": "localhost:5555"}


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("127.8.8.8", True), ("0.0.0.0", False), ("10.0.0.1", False), ("queue.lan", False), ("", False)])  # fmt: skip
def test_loopback(host, expected):
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("header", "hosts", "is_open", "expected"),
    [
        ("localhost:5555", (), True, True),
        ("127.0.0.1", (), True, True),
        ("[::1]:5555", (), True, True),
        ("evil.example:5555", (), True, False),  # its name was made to lead here
        ("127.0.0.1.evil.example", (), True, False),
        ("", (), True, False),
        ("queue.lan", (), False, True),
        ("queue.lan", ("queue.lan",), True, True),
        ("Queue.LAN:80", ("queue.lan",), True, True),
        ("evil.example", ("queue.lan",), False, False),
    ],
)
def test_hosts(header, hosts, is_open, expected):
    assert is_known_host(header, frozenset(hosts), is_open=is_open) is expected


def test_looking_is_always_meant():
    assert is_meant("GET", {"sec-fetch-site": "cross-site"}, "", "x", by_program=False) is None


@pytest.mark.parametrize(
    ("headers", "token", "by_program", "is_refused"),
    [
        (FORM, "right", False, False),
        ({**FORM, "sec-fetch-site": "same-origin", "origin": "http://localhost:5555"}, "right", False, False),
        (FORM, "wrong", False, True),
        (FORM, "", False, True),
        ({**FORM, "sec-fetch-site": "cross-site"}, "right", False, True),
        ({**FORM, "sec-fetch-site": "same-site"}, "right", False, True),
        ({**FORM, "sec-fetch-site": "none"}, "right", False, True),
        ({**FORM, "origin": "http://evil.example"}, "right", False, True),
        ({**FORM, "origin": "null"}, "right", False, True),
        (FORM, "", True, False),
        ({**FORM, "sec-fetch-site": "cross-site"}, "", True, True),
        ({**FORM, "origin": "http://evil.example"}, "", True, True),
        ({**FORM, "sec-fetch-site": "same-origin"}, "", True, True),  # a page of ours would have the token
    ],
)
def test_acting(headers, token, by_program, is_refused):
    assert (is_meant("POST", headers, token, "right", by_program=by_program) is not None) is is_refused


def test_tokens_differ_by_visit_and_by_process():
    one = Tokens()
    assert one.of("a") == one.of("a") != one.of("b")
    assert one.of("a") != Tokens().of("a")


def test_nothing_unsafe_is_allowed():
    headers = dict(security_headers("abc"))
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
