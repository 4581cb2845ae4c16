from __future__ import annotations

import json

import pytest

from umbel.errors import ContentDisallowed, DecodeError, EncodeError
from umbel.results.base import StoreOptions
from umbel.results.meta import COMPRESSED, MetaCodec, from_meta, to_meta
from umbel.results.model import Record
from umbel.results.packing import pack, unpack
from umbel.wire.compression import MAX_DECOMPRESSED

#: As Celery 5.7 stores them, `result_extended` and stamps included.
STORED = [
    '{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], "date_done": "2026-11-20T19:48:07.480116+00:00", "task_id": "t"}',
    '{"status": "SUCCESS", "result": 5, "traceback": null, "children": [[["5effca9d", null], null]], "date_done": null, "task_id": "t"}',
    (
        '{"status": "REVOKED", "result": {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"}, '
        '"traceback": null, "children": null, "date_done": "2026-11-20T19:52:10.123328+00:00", "task_id": "t"}'
    ),
    (
        '{"status": "STARTED", "result": {"pid": 1}, "traceback": null, "children": [], "date_done": null, "group_id": "g", "parent_id": "p", '
        '"name": "tasks.add", "args": [2, 3], "kwargs": {}, "worker": "w1@golden", "retries": 1, "queue": "celery", '
        '"stamped_headers": ["tenant"], "tenant": "acme", "task_id": "t"}'
    ),
]


@pytest.mark.parametrize("text", STORED)
def test_records_are_celerys_byte_for_byte(text):
    codec = MetaCodec(StoreOptions(url="redis://"))
    assert codec.encode(codec.decode(text.encode())).decode() == text


def test_the_fields():
    record = from_meta(json.loads(STORED[3]))
    assert (record.status, record.group_id, record.parent_id, record.extended["tenant"]) == ("STARTED", "g", "p", "acme")
    assert list(record.extended)[:2] == ["name", "args"]
    assert to_meta(Record(task_id="t", status="SUCCESS"))["children"] == []


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
@pytest.mark.parametrize("compression", [None, "gzip", "bzip2"])
def test_every_serializer_and_compression(serializer, compression):
    options = StoreOptions(url="", serializer=serializer, compression=compression, accept=frozenset({serializer}))
    record = Record(task_id="t", status="SUCCESS", result={"a": [1, 2.5, None]})
    data = MetaCodec(options).encode(record)
    assert data.startswith(COMPRESSED) == (compression is not None)
    plain = StoreOptions(url="", serializer=serializer, accept=frozenset({serializer}))
    assert MetaCodec(plain).decode(data).result == record.result


def _through_meta(record, options):
    codec = MetaCodec(options)
    return codec.decode(codec.encode(record))


def _through_packing(record, options):
    return unpack(pack(record, options), frozenset({"json"}))


@pytest.mark.parametrize("through", [_through_meta, _through_packing])
def test_what_is_compressed_can_be_read_again_or_is_refused(through):
    options, huge = StoreOptions(url="", compression="gzip"), "x" * (MAX_DECOMPRESSED - 1000)
    assert through(Record(task_id="t", status="SUCCESS", result=huge), options).result == huge
    with pytest.raises(EncodeError, match=r"result of task t cannot be stored: \d+ bytes"):
        through(Record(task_id="t", status="SUCCESS", result=huge + "x" * 1000), options)


def test_what_cannot_be_stored_or_read():
    codec = MetaCodec(StoreOptions(url=""))
    with pytest.raises(EncodeError, match="the result of task t cannot be stored"):
        codec.encode(Record(task_id="t", status="SUCCESS", result={1, 2}))
    for data in (b"[]", b'{"status": 1}', b"no", b'"x"', COMPRESSED + b"application/x-gzip\x00no"):
        with pytest.raises(DecodeError):
            codec.decode(data, "t")
    picky = MetaCodec(StoreOptions(url="", serializer="pickle", accept=frozenset({"json"})))
    with pytest.raises(ContentDisallowed):
        picky.decode(picky.encode(Record(task_id="t", status="SUCCESS")))
