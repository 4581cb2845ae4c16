"""Reasons why a server cannot be reached, in words a person can act on."""

from __future__ import annotations

import os
import re
import socket
import ssl


def cause(error: BaseException) -> str:
    """One phrase: what the operating system or TLS said, without numbers and names of its own functions."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({(error.reason or str(error)).replace('_', ' ').lower()}): does this port speak TLS?"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "there is no host of this name"
    # Where a name has several addresses, asyncio only has a text for all of them.
    numbers = {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    return " or ".join(os.strerror(number).lower() for number in sorted(numbers)) or str(error) or type(error).__name__
