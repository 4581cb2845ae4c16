"""Records as MongoDB's documents."""

import datetime as dt

import pytest

from umbel.errors import DecodeError, EncodeError, ImproperlyConfigured
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.mongodb.database import MongoDatabase
from umbel.results.mongodb.documents import EXPIRES, DocumentCodec

RECORD = Record(
    task_id="a",
    status="SUCCESS",
    result={"x": [1, None]},
    children=[[["c", None], None]],
    date_done="2030-01-02T03:04:05+00:00",
    parent_id="p",
    extended={"name": "add", "args": [1, {2}], "retries": 0},
)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"serializer": "pickle", "accept": frozenset({"pickle"})}])
def test_a_record_comes_back(options):
    codec = DocumentCodec(StoreOptions(url="mongodb://", **options))
    document = codec.encode(RECORD)
    assert document.pop(EXPIRES) > dt.datetime.now(dt.UTC)
    found = codec.decode(document)
    assert found == Record(
        **{**{name: getattr(RECORD, name) for name in RECORD.__slots__}, "extended": {"name": "add", "args": "[1, {2}]", "retries": 0}}
    )


def test_it_is_what_celery_reads():
    document = DocumentCodec(StoreOptions(url="mongodb://", expires=None)).encode(RECORD)
    assert document["_id"] == "a"
    assert document["result"] == '{"x": [1, null]}'
    assert document["date_done"] == dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert document["children"] == [[["c", None], None]]
    assert EXPIRES not in document


def test_what_is_no_record():
    codec = DocumentCodec(StoreOptions(url="mongodb://"))
    with pytest.raises(EncodeError, match="task a cannot be stored"):
        codec.encode(Record(task_id="a", status="SUCCESS", result=object()))
    for document in (
        {"_id": "a", "status": "SUCCESS", "result": 1},
        {"_id": "a", "result": "1"},
        {"_id": "a", "status": "SUCCESS", "result": "{"},
    ):
        with pytest.raises(DecodeError):
            codec.decode(document)


@pytest.mark.parametrize(
    ("url", "settings", "found", "name"),
    [
        ("mongodb://", None, "mongodb://localhost", "celery"),
        ("mongodb://u:p@a:1,b:2/results?replicaSet=r", {}, "mongodb://u:p@a:1,b:2/results?replicaSet=r", "results"),
        ("mongodb://a/x", {"database": "y", "max_pool_size": 3}, "mongodb://a/x", "y"),
        ("mongodb://", {"host": "h", "port": 1, "user": "u@", "password": "p/"}, "mongodb://u%40:p%2F@h:1", "celery"),
        ("mongodb://a", {"host": "mongodb://b:2/c"}, "mongodb://b:2/c", "c"),
    ],
)
def test_where_results_go(url, settings, found, name):
    database = MongoDatabase(url, settings)
    assert (database.url, database._database_name) == (found, name)
    assert "p" not in database.public().partition("://")[2].partition("@")[0]


def test_what_cannot_be_used_is_told_without_the_password():
    with pytest.raises(ImproperlyConfigured, match="mongodb_backend_settings: ") as caught:
        MongoDatabase("mongodb://u:hunter2@h", {"colour": "red", "connect": None, "maxPoolSize": "x"})
    assert "hunter2" not in str(caught.value)
