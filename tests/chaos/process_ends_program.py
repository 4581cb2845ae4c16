"""Processes that publish and end in one way or another. Prints how many calls had returned.

python process_ends_program.py BROKER QUEUE WAY PROCESSES CALLS
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor

from umbel import Umbel

broker, queue, way, processes, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
app = Umbel("process_ends_program", broker=broker, task_default_queue=queue)
FORK = multiprocessing.get_context("fork")


@app.task
def job(number):
    pass


def send(_=None):
    for number in range(calls):
        job.delay(number)


def end():
    """The way in which the process ends; nothing is flushed."""
    if way == "exec":
        os.execv("/bin/true", ["true"])
    elif way in ("SIGTERM", "SIGKILL"):
        os.kill(os.getpid(), getattr(signal, way))
        signal.pause()
    os._exit(0)


def forked():
    for _ in range(processes):
        pid = os.fork()
        if not pid:
            send()
            end()
        os.waitpid(pid, 0)


def main():
    app.publisher.declare(app.queues[queue])
    if way == "Process":
        for _ in range(processes):
            child = FORK.Process(target=send)
            child.start()
            child.join()
    elif way == "Pool":
        with FORK.Pool(4) as pool:  # which terminates it
            pool.map(send, range(processes), chunksize=1)
    elif way == "ProcessPoolExecutor":
        with ProcessPoolExecutor(4, mp_context=FORK) as pool:
            list(pool.map(send, range(processes)))
    elif way == "exit of the program":
        for _ in range(processes):
            send()
    elif way == "app dropped":
        for _ in range(processes):
            other = Umbel("process_ends_program", broker=broker, task_default_queue=queue, set_as_current=False)
            task = other.task(name="process_ends_program.job")(lambda number: None)
            for number in range(calls):
                task.delay(number)
            del other, task
    else:
        forked()
    print(processes * calls, flush=True)


main()
