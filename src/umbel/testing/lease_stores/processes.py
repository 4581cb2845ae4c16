"""Several processes, and the death of one."""

from __future__ import annotations

import time

from umbel.leases.base import Lease
from umbel.testing import programs
from umbel.testing.lease_stores.kit import LeaseKit


class TestProcesses:
    needs = "processes"

    def test_of_many_that_ask_at_once_as_many_as_the_limit_says_get_it(self, kit: LeaseKit) -> None:
        names = [kit.new() for _ in range(20)]
        processes = [kit.program("lease_rush", names=names, owner=f"process-{number}", limit=2) for number in range(4)]
        try:
            for process in processes:
                programs.said(process)  # it is ready
            found = [programs.said(process)["held"] for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        assert [sum(held[place] for held in found) for place in range(len(names))] == [2] * len(names)

    def test_what_a_killed_process_held_is_free_within_its_lease(self, kit: LeaseKit) -> None:
        process = kit.program("lease_hold", name=kit.lease, owner="killed", seconds=2.0)
        try:
            assert programs.said(process) == {"held": True}
            programs.said(process)  # it has renewed
            assert not kit.acquire("b").is_held
        finally:
            process.kill()
            process.communicate()
        killed = time.monotonic()
        while not kit.acquire("b").is_held:
            assert time.monotonic() - killed < 2.0 + 10.0
            time.sleep(0.05)
        assert kit.owners == ["b"]

    def test_after_a_fork(self, kit: LeaseKit) -> None:
        process = kit.program("lease_fork", name=kit.lease)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert '"child": 0' in said
        assert sorted(kit.owners) == ["child", "parent"]
        assert kit.store.release([Lease(kit.lease, "child", 0.0), Lease(kit.lease, "parent", 0.0)]) == [True, True]
