"""``umbel schedule`` and ``umbel beat``: what they print, and how they end."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pytest

from umbel.beat.service import Service
from umbel.cli.periodic import tables
from umbel.cli.periodic.beat import command
from umbel.results.model import Record

PERIODIC = """
app.conf.beat_schedule = {"pulse": {"task": "MODULE.add", "schedule": 3600, "args": (1, 2)}, "bad": {"task": "MODULE.add", "schedule": 0}}
"""


@pytest.fixture
def shop(module, tmp_path):
    """A module with an app that has periodic tasks."""
    path = tmp_path / f"{module}.py"
    path.write_text(path.read_text() + PERIODIC.replace("MODULE", module))
    return module


def test_a_new_user_adds_pauses_runs_and_looks(umbel, shop):
    schedule = ("-A", shop, "schedule")
    listed = umbel(*schedule, "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["NAME", "bad", "pulse"]
    assert "every hour" in listed.out and "disabled" in listed.out
    assert listed.err == "bad: an interval is 0: expected a positive number of seconds, or a timedelta, of at most 365,000 days\n"

    added = umbel(
        *schedule, "add", "report", f"{shop}.add", "-a", "[2, 3]", "--cron", "0 8 * * mon-fri", "--timezone", "Asia/Tokyo", "--jitter", "5m"
    )
    assert added.code == 0, added.err
    lines = added.out.splitlines()
    assert lines[1:5] == [
        f"sends   {shop}.add(2, 3)",
        "when    at 08:00 on Monday to Friday (Asia/Tokyo)",
        "status  active",
        "from    added by hand",
    ]
    assert lines[5] == "jitter  300.0"
    assert len([line for line in lines if line.endswith("08:00 JST")]) == 5

    assert umbel(*schedule, "pause", "report", "pulse").out == "Paused: report.\nPaused: pulse.\n"
    assert "paused" in umbel(*schedule, "list").out
    assert umbel(*schedule, "resume", "pulse").out == "Resumed: pulse.\n"
    edited = umbel(*schedule, "edit", "pulse", "--every", "30m", "--queue", "slow")
    assert "every 30 minutes" in edited.out and "edited by hand; the code has it, too" in edited.out
    assert "As in the code again: pulse." in umbel(*schedule, "reset", "pulse").out

    sent = umbel(*schedule, "run", "pulse").out
    task_id = sent.split()[-1]
    (run,) = json.loads(umbel(*schedule, "history", "pulse", "--json").out)
    assert (run["task_id"], run["state"], run["by_hand"], run["entry"]) == (task_id, "SENT", True, "pulse")

    app = sys.modules[shop].app
    app.store.store([Record(task_id=task_id, status="SUCCESS", result=3, date_done="2099-01-01T00:00:00")])
    assert "SUCCESS" in umbel(*schedule, "history").out
    assert umbel(*schedule, "remove", "report").out == "Removed: report.\n"
    assert [entry["name"] for entry in json.loads(umbel(*schedule, "list", "--json").out)] == ["bad", "pulse"]


def test_nothing_yet(umbel, module):
    assert umbel("-A", module, "schedule", "list").out.startswith("There are no entries in sqlite:///")
    assert umbel("-A", module, "schedule", "history").out == "There are no runs yet.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "x", "TASK"], "When? Say --every 30s"),
        (["add", "x", "TASK", "--every", "0s"], "an interval is 0.0"),
        (["add", "x", "TASK", "--every", "soon"], "'soon' is not a duration: expected e.g. 30s"),
        (["add", "x", "TASK", "--every", "5s", "--cron", "* * * * *"], "--every and --cron say when it is due: give one of them"),
        (["add", "x", "TASK", "--cron", "61 * * * *"], "61 is not from 0 to 59"),
        (["add", "x", "TASK", "--cron", "* * *"], "expected five fields"),
        (["add", "x", "TASK", "--at", "yesterday"], "'yesterday' is not a time"),
        (["add", "x", "TASK", "--at", "2001-01-01"], "It would never be due: once, on Monday, 1 January 2001"),
        (["add", "x", "TASK", "--solar", "sunset"], "expected an event and a place"),
        (["add", "x", "TASK", "--solar", "moonrise,1,2"], "there is no event 'moonrise'"),
        (["add", "x", "TASK", "--every", "5s", "--timezone", "Mars"], "there is no time zone 'Mars'"),
        (["add", "x", "TASK", "--every", "5s", "-a", "{}"], "expected JSON like '[30, 42]'"),
        (["add", "x", "TASK", "--every", "5s", "-k", "x"], "not JSON"),
        (["add", "x", "TASK", "--every", "5s", "--option", "queue"], "expected NAME=JSON"),
        (["add", "x", "TASK", "--every", "5s", "--option", "quue=1"], "Options cannot be used: there is no calling option"),
        (["add", "x", "TASK", "--relative", "--cron", "* * * * *"], "--relative belongs to --every"),
        (["add", "x", "TASKS", "--every", "5s"], "did you mean"),
        (["add", "pulse", "TASK", "--every", "5s"], "There is an entry 'pulse' already"),
        (["edit", "pulse"], "What is to be changed?"),
        (["edit", "puls", "--every", "5s"], "There is no entry 'puls': did you mean 'pulse'?"),
        (["show", "nothing"], "There is no entry 'nothing': there are 'bad', 'pulse'"),
        (["resume", "bad"], "'bad' is disabled: an interval is 0"),
        (["history", "nothing"], "There is no entry 'nothing'"),
    ],
)
def test_what_is_refused(umbel, shop, words, said):
    ended = umbel("-A", shop, "schedule", *[word.replace("TASK", f"{shop}.add") for word in words])
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_all_options_of_an_entry(umbel, shop):
    words = (
        "add x TASK --every 1h --relative --timezone Europe/Berlin -k {} --priority 3 --expires 5m --option time_limit=60 --option shadow=me "
        "--worker celery@a,celery@b --expire-at-next --misfire all --misfire-limit 7 --misfire-grace 2m --overlap skip --description words --paused"
    )
    ended = umbel("-A", shop, "schedule", *words.replace("TASK", f"{shop}.add").split(), "--json")
    entry = json.loads(ended.out)
    assert entry["schedule"] == {"every": 3600.0, "relative": True, "timezone": "Europe/Berlin"}
    assert entry["options"] == {"priority": 3, "expires": 300.0, "time_limit": 60, "shadow": "me"}
    assert (entry["misfire"], entry["misfire_limit"], entry["misfire_grace"], entry["overlap"]) == ("all", 7, 120.0, "skip")
    assert (entry["workers"], entry["expire_at_next"], entry["status"], entry["description"]) == (
        ["celery@a", "celery@b"],
        True,
        "paused",
        "words",
    )
    edited = json.loads(umbel("-A", shop, "schedule", "edit", "x", "--priority", "5", "--no-expire-at-next", "--json").out)
    assert edited["options"] == {"priority": 5, "expires": 300.0, "time_limit": 60, "shadow": "me"}
    assert "expire_at_next" not in edited


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2030-01-01T12:00:00", "now"),
        ("2030-01-01T12:00:42", "in 42s"),
        ("2030-01-01T14:30:00", "today 14:30"),
        ("2030-01-02T03:00:00", "tomorrow 03:00"),
        ("2030-01-05T03:00:00", "Sat 03:00"),
        ("2030-03-05T03:00:00", "5 Mar 03:00"),
        ("2031-03-05T03:00:00", "5 Mar 2031 03:00"),
    ],
)
def test_times_by_how_near_they_are(moment, said):
    now = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
    assert tables.near(datetime.fromisoformat(moment).replace(tzinfo=UTC), now) == said


# beat

#: Celery 5.7's options of `beat`, each long and short name.
CELERY = """
-A --app -b --broker --result-backend --loader --config --workdir -C --no-color -q --quiet --version
--detach -s --schedule -S --scheduler --max-interval -l --loglevel -f --logfile --pidfile --uid --gid --umask --executable
""".split()


def test_every_option_of_celerys_beat_is_taken():
    known = {name for parameter in command.params for name in parameter.opts}
    assert not set(CELERY) - known


def test_beat_runs_and_stops(umbel, shop, monkeypatch):
    work = Service._run

    def run(self, scheduler):
        scheduler.tick()
        self.stop()
        work(self, scheduler)

    monkeypatch.setattr(Service, "_run", run)
    ended = umbel("-A", shop, "beat", "-l", "info")
    assert ended.code == 0
    assert ended.out.startswith("umbel beat ") and "schedule in sqlite:///" in ended.out
    store = sys.modules[shop].app.schedules.store
    assert {entry.name: entry.status for entry in store.changes().entries} == {"pulse": "active", "bad": "disabled"}
    assert store.holder() is None


def test_a_scheduler_that_is_none(umbel, shop):
    ended = umbel("-A", shop, "beat", "-S", "django_celery_beat.schedulers:DatabaseScheduler")
    assert ended.code == 2
    assert "set beat_schedule_store = 'db+postgresql://" in ended.err


def test_a_schedule_that_cannot_be_used_ends_beat_with_2(umbel, shop, tmp_path):
    ended = umbel("-A", shop, "beat", "-s", str(tmp_path / "none" / "schedule"))
    assert ended.code == 2
    assert ended.err.startswith("Error: the schedule store cannot be used: ")
