"""What a caller holds of a task: `AsyncResult`, and `EagerResult` for a task that has run already."""

from umbel.results.handles.async_result import AsyncResult
from umbel.results.handles.eager_result import EagerResult
from umbel.results.handles.joining import assert_will_not_block

__all__ = ["AsyncResult", "EagerResult", "assert_will_not_block"]
