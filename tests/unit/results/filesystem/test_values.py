"""Files: their names, their age, and folders that cannot be used."""

import os
import threading

import pytest

from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.filesystem.values import FileValues, folder_of
from umbel.results.keyvalue.values import put
from umbel.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("url", "folder"),
    [("file:///var/results", "/var/results"), ("file://localhost/a%20b/", "/a b"), ("file:///C:/results", "C:/results")],
)
def test_folders(url, folder):
    assert str(folder_of(url)) == folder


@pytest.mark.parametrize("url", ["file://", "file:///", "file://host/path", "file://relative"])
def test_urls_without_a_folder(url):
    with pytest.raises(ImproperlyConfigured, match="with three slashes"):
        folder_of(url)


def test_a_key_is_the_name_of_its_file_as_in_celery(tmp_path):
    values = FileValues(tmp_path)
    values.change({"celery-task-meta-my own id ☃": put(b"1")}, None)
    assert (tmp_path / "celery-task-meta-my own id ☃").read_bytes() == b"1"


@pytest.mark.parametrize("key", ["a/../../etc/passwd", "a/b", "a%2Fb", "x" * 300, "nul\0", ".."])
def test_no_key_leads_out_of_the_folder(tmp_path, key):
    folder = tmp_path / "results"
    folder.mkdir()
    values = FileValues(folder)
    values.change({f"p-{key}": put(b"1"), f"p-{key}x": put(b"2")}, None)
    assert values.read([f"p-{key}", f"p-{key}x"], None) == {f"p-{key}": b"1", f"p-{key}x": b"2"}
    assert os.listdir(tmp_path) == ["results"]  # noqa: PTH208
    values.drop([f"p-{key}"])
    assert values.read([f"p-{key}"], None) == {}


def test_what_is_old_reads_as_gone_and_is_cleaned_up(tmp_path):
    clock = FakeClock()
    values = FileValues(tmp_path, clock)
    values.change({"celery-task-meta-a": put(b"1"), "celery-taskset-meta-g": put(b"2")}, 10)
    (tmp_path / "mine").write_text("not a result")
    made = (tmp_path / "celery-task-meta-a").stat().st_mtime
    clock.wall = made + 11
    assert values.read(["celery-task-meta-a"], 10) == {}
    assert values.read(["celery-task-meta-a"], None) == {"celery-task-meta-a": b"1"}
    assert values.cleanup({"celery-task-meta-": 10, "celery-taskset-meta-": None}) == 1
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert sorted(left) == ["celery-taskset-meta-g", "mine"]


def test_what_somebody_begins_to_write_is_not_there_yet(tmp_path):
    (tmp_path / "k").touch()
    assert FileValues(tmp_path).read(["k"], None) == {}


def test_a_folder_that_is_not_there_is_told(tmp_path):
    values = FileValues(tmp_path / "gone")
    for work in (lambda: values.read(["k"], None), lambda: values.change({"k": put(b"")}, None), lambda: values.cleanup({"k": 1})):
        with pytest.raises(OperationalError, match="The folder must be there") as caught:
            work()
        assert caught.value.is_permanent


def test_changes_of_many_threads_are_all_kept(tmp_path):
    values = FileValues(tmp_path)

    def work():
        for _ in range(50):
            values.change({"n": lambda old: b"%d" % (int(old or 0) + 1)}, None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values.read(["n"], None) == {"n": b"200"}
