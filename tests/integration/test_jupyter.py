"""A notebook: cells are run in a real kernel, again and again, beside its running event loop."""

from __future__ import annotations

import os
import queue
import textwrap
import time

import pytest
from jupyter_client import KernelManager

from system.processes import TESTS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")

FIRST = """
    from umbel import Umbel
    app = Umbel("notebook", broker={url!r}, backend={store!r}, task_default_queue={queue!r}, broker_lease=2)
"""
TASK = """
    @app.task
    def add(x, y):
        return x + y
"""


class Notebook:
    """A kernel and its front end."""

    def __init__(self):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, "PYTHONPATH": str(TESTS), "JPY_PARENT_PID": str(os.getpid())})
        self.connect()

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def begin(self, code):
        """Run a cell; returns without waiting for its end."""
        return self.client.execute(textwrap.dedent(code))

    def end(self, cell, timeout=60):
        """Wait for a cell's end; returns what it printed and showed, or "ErrorName: text"."""
        said, deadline = [], time.monotonic() + timeout
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the cell has not ended; it said {said}") from None
            if message["parent_header"].get("msg_id") != cell:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":  # the log tells of other tests' messages, too
                said.append(content["text"])
            elif kind == "execute_result":
                said.append(content["data"]["text/plain"])
            elif kind == "error":
                said.append(f"{content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(said).strip()

    def run(self, code):
        return self.end(self.begin(code))

    def await_text(self, cell, text, timeout=30):
        """Wait until a running cell has printed something."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == cell and text in message["content"].get("text", ""):
                return

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture
def notebook():
    notebook = Notebook()
    try:
        yield notebook
    finally:
        notebook.close()


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def first(request, tmp_path, unique):
    """The first cell: an app."""
    if request.param == "sqlite":
        url = store = f"sqlite:///{tmp_path}/umbel.db"
    else:
        url, store = request.getfixturevalue("redis_url"), request.getfixturevalue("redis_store_url")
    return FIRST.format(url=url, store=store, queue=unique("notebook"))


#: A worker in the kernel itself, as the README has it.
WORKER = """
    import threading
    worker = app.Worker(pool="solo")
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.is_ready.wait(30)
"""
STOP = """
    worker.request_stop()
    thread.join(30)
    thread.is_alive()
"""
GET = "add.delay(1, 2).get(timeout=30)"
IN_LOOP = """
    import asyncio
    ticks = 0

    async def tick():
        global ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.ensure_future(tick())
    result = await add.adelay(2, 3)
    value = await result.aget(timeout=30)
    ticking.cancel()
    value, ticks > 0
"""


def test_cells_are_run_again_and_results_are_read_with_and_without_the_loop(notebook, first):
    assert notebook.run(first) == ""
    assert notebook.run(TASK) == ""
    assert notebook.run(TASK) == ""
    assert notebook.run(WORKER) == "True"
    assert notebook.run(GET) == "3"
    assert notebook.run(IN_LOOP) == "(5, True)"
    assert notebook.run(TASK.replace("x + y", "x * y")) == ""
    assert notebook.run("add.delay(3, 4).get(timeout=30)") == "12", "the cell's function of before"
    assert notebook.run(STOP) == "False"


def test_a_worker_with_children_says_what_to_do(notebook, first):
    assert notebook.run(first + TASK) == ""
    assert notebook.run("app.Worker(concurrency=1).run()").endswith("use the pool solo")


def test_get_is_interrupted_and_the_next_cell_works(notebook, first):
    assert notebook.run(first + TASK) == ""
    assert notebook.run("result = add.delay(1, 2)\nresult.ready()") == "False"  # and all is imported
    cell = notebook.begin("print('waiting', flush=True)\nresult.get(timeout=60)")
    notebook.await_text(cell, "waiting")
    notebook.manager.interrupt_kernel()
    assert notebook.end(cell, 20).startswith("KeyboardInterrupt")
    assert notebook.run(WORKER) == "True"
    assert notebook.run("result.get(timeout=30)") == "3"
    assert notebook.run(GET) == "3"
    assert notebook.run(STOP) == "False"


def test_a_restarted_kernel_finds_what_the_one_before_sent(notebook, first):
    assert notebook.run(first + TASK) == ""
    sent = notebook.run("handles = [add.delay(number, 1) for number in range(20)]\nprint(*(handle.id for handle in handles))").split()
    assert len(sent) == 20
    notebook.client.stop_channels()
    notebook.manager.restart_kernel(now=True)
    notebook.connect()
    assert notebook.run(first + TASK) == ""
    assert notebook.run(WORKER) == "True"
    assert notebook.run(f"[app.AsyncResult(task_id).get(timeout=30) for task_id in {sent}] == list(range(1, 21))") == "True"
    assert notebook.run(STOP) == "False"
