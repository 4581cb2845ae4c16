import pytest

from umbel.cli.moving.renaming import names_for, renamed, renamings

TEXT = """# CELERY_ALWAYS_EAGER is told of here\r
BROKER_URL = "memory://"\r
CELERY_ALWAYS_EAGER = True; x = 'CELERY_ALWAYS_EAGER no more'\r
app.conf.CELERYD_CONCURRENCY = 4\r
app.conf.update({"CELERY_TIMEZONE": "UTC", 'CELERY_RESULT_BACKEND': BROKER_URL}, CELERY_ACKS_LATE=1)\r
# été\r
"""


@pytest.mark.parametrize(("django", "names"), [
    (False, ["broker_url", "task_always_eager", "worker_concurrency", "timezone", "result_backend", "broker_url", "task_acks_late"]),
    (True, ["CELERY_BROKER_URL", "CELERY_TASK_ALWAYS_EAGER", "CELERY_WORKER_CONCURRENCY", "CELERY_BROKER_URL", "CELERY_TASK_ACKS_LATE"]),
])  # fmt: skip
def test_old_names_become_todays(django, names):
    changes = renamings(TEXT, names_for(django=django))
    assert [change.new for change in changes] == names
    text = renamed(TEXT, changes)
    assert renamings(text, names_for(django=django)) == []
    assert text.count("\r\n") == TEXT.count("\r\n")
    assert "# CELERY_ALWAYS_EAGER is told of here" in text
    assert "'CELERY_ALWAYS_EAGER no more'" in text


def test_lines_and_columns():
    (change,) = renamings("x = 1\n  \nconf.BROKER_URL\n", names_for(django=False))
    assert (change.line, change.column, change.old) == (3, 5, "BROKER_URL")


def test_what_is_no_python():
    with pytest.raises(SyntaxError):
        renamings("x =", {})
