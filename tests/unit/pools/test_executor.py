import threading
import time
from dataclasses import astuple

import pytest

from umbel import Task
from umbel.errors import EncodeError
from umbel.execution.model import Execution, Job, Publish, RunHandlers, Store, Verdict
from umbel.pools.board.rows import BoardRow, private
from umbel.pools.executor import Executor, outcome_of
from umbel.results.model import Record
from umbel.testing.fakes import FakeApp
from umbel.wire import failures


class Runner:
    def __init__(self, durations=()):
        self.durations = dict(durations)
        self.ran = []

    def started_record(self, job):
        return None

    def execute(self, job):
        self.ran.append(job.number)
        started = time.perf_counter()
        if job.number in self.durations:
            threading.Event().wait(self.durations[job.number])
        record = Record(task_id=str(job.number), status="SUCCESS")
        runtime = time.perf_counter() - started
        return Execution(job.number, str(job.number), "t", "SUCCESS", Verdict.ACK, started, runtime, (Store(record),))


class Line:
    """A channel that hands over fixed batches and notes when outcomes were reported."""

    def __init__(self, batches):
        self.batches = list(batches)
        self.reported = []
        self.times = {}

    def receive(self, *, block):
        if self.batches:
            return self.batches.pop(0)
        return None if block else ()

    def report(self, outcomes):
        self.reported.append([outcome.number for outcome in outcomes])
        for outcome in outcomes:
            self.times[outcome.number] = time.perf_counter()


class Effects:
    def __init__(self, failures=0):
        self.stored = []
        self.failures = failures

    def store(self, records):
        if self.failures:
            self.failures -= 1
            raise RuntimeError("down")
        self.stored.append([record.task_id for record in records])

    def publish(self, execution):
        raise AssertionError("nothing to publish")


def job(number):
    return (number, {"task": "t", "id": str(number)}, b"", "", "", {}, "", "q", False)


def run(line, runner=None, effects=None, board=None):
    executor = Executor(runner or Runner(), board or BoardRow(private(), threading.Lock()), line, effects or Effects())
    executor.run()
    return executor


def test_everything_is_run_stored_and_reported_in_order():
    effects, line = Effects(), Line([[job(n) for n in range(1, 40)], [job(40)]])
    run(line, effects=effects)
    assert [n for burst in line.reported for n in burst] == list(range(1, 41))
    assert [int(n) for burst in effects.stored for n in burst] == list(range(1, 41))
    assert len(line.reported) < 20


def test_what_was_taken_back_is_not_run():
    board, runner = BoardRow(private(), threading.Lock()), Runner()
    board.take_back(2)
    run(Line([[job(1), job(2), job(3)]]), runner, board=board)
    assert runner.ran == [3]


def test_a_quick_outcome_does_not_wait_for_a_task_known_to_be_slow():
    runner, line = Runner({1: 0.05, 3: 0.1}), Line([[job(1)], [job(2), job(3)]])
    run(line, runner)
    assert line.reported == [[1], [2], [3]]


def test_a_quick_outcome_does_not_wait_long_for_a_task_that_is_slow_for_once():
    runner = Runner({60: 0.3})
    line = Line([[job(n)] for n in range(1, 59)] + [[job(59), job(60)]])
    run(line, runner)
    assert line.times[60] - line.times[59] > 0.2


def test_results_that_cannot_be_stored_are_not_reported():
    line = Line([[job(1)]])
    with pytest.raises(RuntimeError, match="down"):
        run(line, effects=Effects(failures=9))
    assert line.reported == []


class Unwritable(Effects):
    """Stores failures in place of successes, as where a result cannot be written."""

    def store(self, records):
        for record in records:
            if record.status == "SUCCESS":
                record.status, record.result = "FAILURE", failures.render(EncodeError("no JSON"))
        super().store(records)

    def publish(self, execution):
        self.stored.append([message.headers["task"] for message, _ in execution.publications])
        return execution


class Outcomes(Line):
    def report(self, outcomes):
        self.reported += [(outcome.state, outcome.detail) for outcome in outcomes]


def test_a_result_that_cannot_be_stored_is_a_failure_for_its_handlers_and_callbacks_too():
    told = []
    app = FakeApp()

    class Telling(Task):
        def on_success(self, *args):
            told.append("success")

        def on_failure(self, exc, *args):
            told.append(repr(exc))

    @app.task(name="proj.job", base=Telling)
    def job():
        return "more than the store takes"

    signature = {"task": "proj.next", "args": [], "kwargs": {}, "options": {"task_id": "next"}}
    job.apply_async(task_id="i", link=signature, chain=[signature])
    effects, line = Unwritable(), Outcomes([[astuple(app.job())]])
    run(line, app.runner("w1@host"), effects)
    assert told == ["EncodeError('no JSON')"]
    assert line.reported == [("FAILURE", "EncodeError('no JSON')")]
    assert effects.stored == [["i"], ["next"]]  # and nothing was published


class Following(Runner):
    """Each job is followed by a message of its number."""

    def execute(self, job):
        execution = super().execute(job)
        return execution._replace(effects=(*execution.effects, Publish(job.number, None)))


class Breaking(Effects):
    """Breaks once, at the second publication."""

    def __init__(self):
        super().__init__()
        self.published = []
        self.broke = threading.Event()

    def publish(self, execution):
        if len(self.published) == 1 and not self.broke.is_set():
            self.broke.set()
            raise RuntimeError("broken")
        self.published.append(execution.number)
        return execution


def test_what_was_settled_before_a_commit_broke_is_not_settled_again():
    effects, runner = Breaking(), Following()
    executor = Executor(runner, BoardRow(private(), threading.Lock()), Line([]), effects)
    executor._pending = [runner.execute(Job(*job(number))) for number in (1, 2, 3)]
    with pytest.raises(RuntimeError, match="broken"):
        executor._commit()
    executor._commit()
    assert effects.published == [1, 2, 3]
    assert executor._channel.reported == [[1], [2, 3]]


class StartedRunner(Runner):
    """Wants each start recorded, and notes what the board says of its runs."""

    def __init__(self, board):
        super().__init__()
        self.board = board
        self.seen = []

    def started_record(self, job):
        return Record(task_id=str(job.number), status="STARTED")

    def execute(self, job):
        self.seen.append((self.board.current, self.board.since))
        return super().execute(job)


def test_a_job_does_not_run_while_its_start_is_stored():
    board = BoardRow(private(), threading.Lock())
    runner, stored = StartedRunner(board), []

    class Away(Effects):
        def store(self, records):
            stored.append((records[0].status, board.current, board.started, time.monotonic()))

    run(Line([[job(7)]]), runner, Away(), board)
    assert [(status, current, started) for status, current, started, _ in stored] == [("STARTED", 0, 7), ("SUCCESS", 0, 7)]
    ((current, since),) = runner.seen
    assert current == 7
    assert since >= stored[0][3]


def test_handlers_have_a_time_limit_too():
    """The board names the job while its handlers run, and nothing while its result is stored."""
    board, seen = BoardRow(private(), threading.Lock()), []

    class Handled(Runner):
        def execute(self, job):
            execution = super().execute(job)
            call = RunHandlers(lambda: seen.append(("handlers", job.number, board.current)))
            return execution._replace(effects=(*execution.effects, call))

    class Watched(Effects):
        def store(self, records):
            seen.append(("store", [int(record.task_id) for record in records], board.current))

    run(Line([[job(1), job(2)]]), Handled(), Watched(), board)
    assert [step for step in seen if step[0] == "handlers"] == [("handlers", 1, 1), ("handlers", 2, 2)]
    assert {step[2] for step in seen if step[0] == "store"} == {0}
    assert board.current == 0


class Safe(str):
    """As a web framework has it: its text is of its own class, too."""

    __slots__ = ()

    def __str__(self):
        return self


def test_text_of_a_class_of_its_own_is_reported_as_plain_text():
    ran = Execution(Job(*job(1)), "1", "t", "IGNORED", Verdict.DEAD, 0.0, reason=Safe("why"), detail=Safe("what"), traceback=Safe("where"))
    told = outcome_of(ran)
    assert (told.reason, told.detail, told.traceback) == ("why", "what", "where")
    assert {type(told.reason), type(told.detail), type(told.traceback)} == {str}
