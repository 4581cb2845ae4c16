"""Results under the name of Celery's module, so that a project moves by changing one word; see `umbel.results.handles`."""

from umbel.current import allow_join_result, denied_join_result
from umbel.results.handles import AsyncResult, EagerResult, GroupResult, ResultSet, assert_will_not_block, result_from_tuple

__all__ = [
    "AsyncResult",
    "EagerResult",
    "GroupResult",
    "ResultSet",
    "allow_join_result",
    "assert_will_not_block",
    "denied_join_result",
    "result_from_tuple",
]
