"""``app.log``; in a process of its own, for it changes the root logger."""

import subprocess
import sys

PROGRAM = """
import logging, sys
from umbel.compat.app import Celery
app = Celery("proj", broker="memory://", set_as_current=False)
first = app.log.setup("INFO", {logfile!r}, redirect_stdouts=True, hostname="worker@example.com", colorize=False)
again = app.log.setup("INFO")
logging.getLogger("proj").info("said %s %s", first, again)
print("printed")
assert app.log.already_setup
assert app.log.get_default_logger().name == "celery"
assert app.log.setup_task_loggers().name == "umbel.task"
"""


def test_a_log_file_with_the_workers_name(tmp_path):
    program = PROGRAM.format(logfile=str(tmp_path / "%%n-%n.log"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "%n-worker.log").read_text()
    assert "INFO/MainProcess] said True False" in lines
    assert "WARNING/MainProcess] printed" in lines
