"""What a child with several slots may look like: a thread for each. Its jobs do what their bodies say."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time

from umbel.pools import framing
from umbel.pools.board.rows import Board


class Thread(threading.Thread):
    """Runs the jobs of one slot."""

    def __init__(self, index, row, tell):
        super().__init__(daemon=True)
        self.index, self.row, self.tell = index, row, tell
        self.inbox = queue.SimpleQueue()
        self.interrupted = threading.Event()

    def run(self):
        while (job := self.inbox.get()) is not None:
            number, body = job[0], job[2]
            if not self.row.claim(number):
                continue
            state = "SUCCESS"
            if body == b"die":
                os._exit(9)
            if body == b"wait":
                self.interrupted.wait()
                self.interrupted.clear()
                state = "FAILURE"
            self.row.clear()
            self.tell((number, 0, state, 0.00001, "", "", None, False, time.monotonic(), self.index))


def main(line, memory, lock, options):
    """Run what a child process with several slots runs."""
    board, sending = Board(memory.map, lock, options.slots), threading.Lock()

    def tell(outcome):
        with sending:
            line.sendall(framing.render(framing.OUTCOMES, [outcome]))

    threads = [Thread(index, row, tell) for index, row in enumerate(board.rows)]

    def soft_limit(_number, _frame):
        for thread in threads:
            if thread.row.soft_target and thread.row.soft_target == thread.row.current:
                thread.row.pass_soft_limit(0)
                thread.interrupted.set()

    signal.signal(signal.SIGUSR1, soft_limit)
    for thread in threads:
        thread.start()
    line.sendall(framing.render(framing.READY, os.getpid()))
    buffer = framing.FrameBuffer()
    while data := line.recv(1 << 18):
        for kind, payload in buffer.feed(data):
            if kind == framing.JOBS:
                slot, jobs = payload
                for job in jobs:
                    threads[slot].inbox.put(job)
            elif kind == framing.QUIT:
                for thread in threads:
                    thread.inbox.put(None)
                for thread in threads:
                    thread.join()
                line.shutdown(socket.SHUT_RDWR)
                return
