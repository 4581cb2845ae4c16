import socket
import ssl

import pytest

from umbel.clients.connect_errors import cause


def tls_error(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "[Errno 111] Connect call failed ('127.0.0.1', 5672)"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 113] No route"), "connection refused or no route to host"),
        (socket.gaierror(-2, "Name or service not known"), "there is no host of this name"),
        (TimeoutError("_ssl.c:989: The handshake operation timed out"), "no answer in time"),
        (tls_error("WRONG_VERSION_NUMBER"), "TLS failed (wrong version number): does this port speak TLS?"),
        (OSError("something else"), "something else"),
        (OSError(), "OSError"),
    ],
)  # fmt: skip
def test_a_phrase_without_numbers(error, said):
    assert cause(error) == said
