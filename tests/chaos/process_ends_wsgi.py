"""A web application whose requests publish, for the tools that serve such applications. It notes each call that has returned.

The environment says where: ``UMBEL_ENDS`` is "BROKER QUEUE CALLS FOLDER"; each process counts in a file of its own in FOLDER.
"""

from __future__ import annotations

import mmap
import os
import secrets
import time

from umbel import Umbel

broker, queue, calls, folder = os.environ["UMBEL_ENDS"].split(" ")
app = Umbel("process_ends_wsgi", broker=broker, task_default_queue=queue)


@app.task
def job(name):
    pass


class Count:
    """How many calls of this process have returned. The memory is a file's, so it outlives the process, however that ends."""

    def __init__(self):
        self.pid, self.name, self.number = os.getpid(), f"{os.getpid()}-{secrets.token_hex(4)}", 0
        with open(os.path.join(folder, self.name), "w+b") as file:  # noqa: PTH123, PTH118 - no more imports than needed
            file.truncate(8)
            self._memory = mmap.mmap(file.fileno(), 8)

    def publish(self):
        job.delay(f"{self.name}.{self.number}")
        self.number += 1
        self._memory[:] = self.number.to_bytes(8, "little")


count = Count()
# Where the application is loaded before the fork, the parent has a connection that its children must leave alone.
count.publish()
# uWSGI may hang its workers at their first step if any Python thread of its master runs while they are forked: let ours come to rest.
time.sleep(0.3)


def application(environ, start_response):
    global count  # noqa: PLW0603 - of this process
    if count.pid != os.getpid():
        count = Count()
    for _ in range(int(calls)):
        count.publish()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
