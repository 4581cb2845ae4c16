import json
import sys

import pytest

from umbel import Umbel
from umbel.compat.legacy import importing as i


def test_paths():
    assert i.symbol_by_name("json:dumps") is json.dumps
    assert i.symbol_by_name("json.dumps") is json.dumps
    assert i.symbol_by_name("d", {"d": "json:dumps"}) is json.dumps
    assert i.symbol_by_name(json.dumps) is json.dumps
    assert i.symbol_by_name("json") is json
    assert i.symbol_by_name("no.such:thing", default=1) == 1
    with pytest.raises(ImportError):
        i.symbol_by_name("no.such:thing")
    assert i.instantiate("collections:Counter", "aa")["a"] == 2
    assert i.qualname(json.JSONDecodeError) == "json.decoder.JSONDecodeError"
    assert i.qualname(json.JSONEncoder()) == "json.encoder.JSONEncoder"


def test_names_of_tasks():
    assert i.gen_task_name(Umbel("proj", set_as_current=False), "add", "__main__") == "proj.add"


def test_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "found_in_the_current_folder.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    module = i.import_from_cwd("found_in_the_current_folder")
    assert (module.x, sys.path) == (1, before)
    assert i.module_file(module) == str(tmp_path / "found_in_the_current_folder.py")


def test_entry_points():
    assert dict(i.load_extension_class_names("umbel.brokers"))["redis"] == "umbel.brokers.redis:connect"
    assert callable(dict(i.load_extension_classes("umbel.brokers"))["memory"])
