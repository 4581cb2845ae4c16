"""Results under the name of Celery's module, so that a project moves by changing one word; see `umbel.results.handles`."""

from umbel.current import allow_join_result, denied_join_result
from umbel.results.handles import AsyncResult, EagerResult, assert_will_not_block

__all__ = ["AsyncResult", "EagerResult", "allow_join_result", "assert_will_not_block", "denied_join_result"]
