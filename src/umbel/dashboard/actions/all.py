"""Every action there is."""

from __future__ import annotations

from typing import Final

from umbel.dashboard.actions import dead, queues, schedules, tasks, workers
from umbel.dashboard.web.acting import Action

ACTIONS: Final[tuple[Action, ...]] = (*tasks.ACTIONS, *queues.ACTIONS, *workers.ACTIONS, *schedules.ACTIONS, *dead.ACTIONS)
