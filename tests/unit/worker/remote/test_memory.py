from __future__ import annotations

import importlib
import re
import tempfile

from umbel.testing.coroutines import on_loop
from umbel.worker.remote import memory
from unit.worker.remote.facade_bench import FacadeBench


@on_loop
async def test_memory_is_sampled_and_shown():
    bench = FacadeBench()
    assert re.fullmatch(r"\d+\.\d{3}MB", await bench.ask("memsample"))
    await bench.ask("memsample")
    shown = await bench.ask("memdump", samples=10)
    assert shown.count("- rss (sample): ") == 2
    assert "- rss (end): " in shown
    assert (await bench.ask("memdump")).count("sample") == 0
    assert "error" in await bench.ask("memdump", samples="all")


@on_loop
async def test_where_the_system_does_not_tell_that_is_said(monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda pid: 0)
    bench = FacadeBench()
    assert await bench.ask("memsample") is None
    assert await bench.ask("memdump") == "- rss: not known on this system.\n"


@on_loop
async def test_object_graphs_need_their_library(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    bench = FacadeBench()
    assert await bench.ask("objgraph") == {"error": "ImportError('Requires the objgraph library')"}


@on_loop
async def test_object_graphs_are_drawn_into_a_file(monkeypatch, tmp_path):
    drawn = []

    class Library:
        @staticmethod
        def by_type(name):
            return [name] * 500

        @staticmethod
        def show_backrefs(objects, **options):
            drawn.append((len(objects), options["max_depth"]))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(importlib, "import_module", lambda name: Library)
    bench = FacadeBench()
    answer = await bench.ask("objgraph", num=20, max_depth=3, type="Request")
    assert answer["filename"].startswith(str(tmp_path))
    assert drawn == [(20, 3)]
    assert "error" in await bench.ask("objgraph", num=10**9)
