import os
import subprocess
import sys

from umbel.contrib.outbox.base import SHARDS, is_gone, new_token, shard_of_process


def test_a_token_tells_whether_its_process_has_ended():
    mine = new_token()
    assert len(mine) <= 64
    assert mine != new_token()
    assert not is_gone(mine)
    code = "from umbel.contrib.outbox.base import new_token; print(new_token())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)
    elsewhere = f"{ended.partition('@')[0]}@elsewhere/{ended.partition('/')[2]}"
    assert not is_gone(elsewhere)
    assert not any(is_gone(text) for text in ("", "x", "0f3c", f"{os.getpid()}", "99999999999999999999@x/y"))


def test_a_process_has_one_shard():
    assert shard_of_process() == shard_of_process() < SHARDS
