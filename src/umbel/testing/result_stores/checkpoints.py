"""Stores that keep checkpoints of tasks: records that are written again and again, under ids of their own (`umbel.execution.checkpoints`)."""

from __future__ import annotations

from umbel.execution.checkpoints import Checkpoints
from umbel.testing.result_stores.kit import StoreKit


class TestCheckpoints:
    needs = "shared"

    def test_the_last_state_comes_back_to_another_run(self, kit: StoreKit) -> None:
        task_id = kit.new()
        assert Checkpoints(kit.reader, task_id).read() is None
        first = Checkpoints(kit.writer, task_id)
        for row in (10, 20):
            assert first.save({"row": row, "names": ["☃"]}, force=True)
        assert Checkpoints(kit.make(), task_id).read() == {"row": 20, "names": ["☃"]}

    def test_it_is_beside_the_record(self, kit: StoreKit) -> None:
        task_id = kit.new()
        Checkpoints(kit.writer, task_id).save([1, 2], force=True)
        assert kit.reader.fetch([task_id]) == {}
        kit.write(task_id, result="done")
        assert Checkpoints(kit.reader, task_id).read() == [1, 2]
        assert kit.reader.fetch([task_id])[task_id].result == "done"

    def test_it_is_dropped(self, kit: StoreKit) -> None:
        task_id = kit.new()
        checkpoints = Checkpoints(kit.writer, task_id)
        checkpoints.save(1, force=True)
        (drop,) = checkpoints.effects_of_end(goes_on=False)
        drop.function()  # type: ignore[union-attr]
        assert Checkpoints(kit.reader, task_id).read() is None
