"""Remote control by either library's client, in its own interpreter: ``python -m interop.control_side`` reads commands from standard input.

They are JSON: ``[[command, arguments], …]``; the answer is one JSON object for each on standard output: what `app.control.broadcast` returned.
"""

from __future__ import annotations

import json
import sys


def main():
    from system.workload import app

    for command, arguments in json.load(sys.stdin):
        replies = app.control.broadcast(command, arguments, reply=True, timeout=20, limit=1)
        print(json.dumps(replies), flush=True)


if __name__ == "__main__":
    main()
