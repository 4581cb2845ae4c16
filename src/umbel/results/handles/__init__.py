"""Handles: what a caller holds of a task (`AsyncResult`; `EagerResult` when it has run already), of several (`ResultSet`) and of a group (`GroupResult`)."""

from umbel.results.handles.async_result import AsyncResult
from umbel.results.handles.eager_result import EagerResult
from umbel.results.handles.group_result import GroupResult, result_from_tuple
from umbel.results.handles.joining import assert_will_not_block
from umbel.results.handles.result_set import ResultSet

AsyncResult.from_tuple = staticmethod(result_from_tuple)

__all__ = ["AsyncResult", "EagerResult", "GroupResult", "ResultSet", "assert_will_not_block", "result_from_tuple"]
