from __future__ import annotations

import shutil

from umbel.clients.finding import Level
from umbel.clients.sqlite.checkup import check


def test_a_file_that_is_there_or_can_be_made(tmp_path):
    file = tmp_path / "u.db"
    assert [each.text for each in check(str(file), "broker")] == [f"{file} can be made"]
    file.touch()
    assert [each.text for each in check(str(file), "broker")] == [f"{file} is there to be written"]


def test_a_folder_that_is_not_there(tmp_path):
    (found,) = check(str(tmp_path / "none" / "u.db"), "broker")
    assert (found.level, found.text.endswith("cannot be written")) == (Level.ERROR, True)


def test_a_network_file_system_is_an_error(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    (found,) = check(str(tmp_path / "u.db"), "broker", str(mounts))
    assert found.level is Level.ERROR
    assert "nfs4" in found.text
    mounts.write_text(f"server:/x {tmp_path}-other nfs4 rw 0 0\n/dev/sda / ext4 rw 0 0\n")
    assert next(check(str(tmp_path / "u.db"), "broker", str(mounts))).level is Level.OK


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 2**20))
    _, found = check(str(tmp_path / "u.db"), "broker")
    assert "1 MB left" in found.text
