"""Remote control: what can be asked of workers, and told to them, over the broker.

``control_command`` and ``inspect_command`` add commands of an app's own.
"""

from umbel.control.commands import Command, control_command, inspect_command

__all__ = ["Command", "control_command", "inspect_command"]
