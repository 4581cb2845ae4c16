import io
import logging

from umbel import Umbel
from umbel.compat.legacy import logs


def test_levels():
    assert logs.LOG_LEVELS["INFO"] == logging.INFO
    assert logs.LOG_LEVELS[logging.INFO] == "INFO"
    assert logs.mlevel("debug") == logging.DEBUG
    assert logs.mlevel(20) == 20
    assert logs.mlevel(None) is None
    assert logs.get_logger("x") is logging.getLogger("x")
    assert logs.get_logger(logging.getLogger("x")).name == "x"


def test_lines_of_tasks():
    app = Umbel("proj", broker="memory://", backend="memory://", set_as_current=False)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.TaskFormatter("%(task_name)s[%(task_id)s] %(message)s"))
    logger = logging.getLogger("of_test_logs")
    logger.addHandler(handler)
    logger.propagate = False

    @app.task(name="proj.job")
    def job():
        logger.warning("inside")

    job.apply(task_id="1")
    logger.warning("outside")
    logger.removeHandler(handler)
    app.close()
    assert stream.getvalue().splitlines() == ["proj.job[1] inside", "???[???] outside"]
