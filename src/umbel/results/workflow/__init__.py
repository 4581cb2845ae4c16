"""Looking at workflows: how tasks and groups hang together, and how they stand (`Workflow`), read from handles and records."""

from umbel.results.workflow.model import Workflow, WorkflowNode

__all__ = ["Workflow", "WorkflowNode"]
