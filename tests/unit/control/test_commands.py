from __future__ import annotations

from umbel.control import Command, control_command, inspect_command
from umbel.control.commands import COMMANDS, Commands


def test_a_function_becomes_a_command_and_stays_a_function():
    @control_command(args=[("n", int)], signature="[N=1]", alias="grow_it", default_timeout=3.0, variadic="rest", visible=False)
    def grow_for_this_test(state, n=1):
        """Grow.

        More of it.
        """
        return n

    found = COMMANDS.find("grow_it")
    assert found is COMMANDS.find("grow_for_this_test")
    assert (found.kind, found.args, found.signature, found.aliases) == ("control", (("n", int),), "[N=1]", ("grow_it",))
    assert (found.default_timeout, found.variadic, found.visible, found.help) == (3.0, "rest", False, "Grow.")
    assert found.handler is grow_for_this_test
    assert grow_for_this_test(None, 2) == 2


def test_decorators_may_be_bare_or_empty():
    @inspect_command
    def bare_for_this_test(state): ...

    @inspect_command()
    async def empty_for_this_test(state): ...

    @inspect_command(name="named_for_this_test", help="Look.", alias=("one", "two"))
    def other(state): ...

    assert [COMMANDS.find(name).kind for name in ("bare_for_this_test", "empty_for_this_test", "one")] == ["inspect"] * 3
    assert COMMANDS.find("two").help == "Look."
    assert COMMANDS.find("other") is None


def test_the_latest_of_a_name_counts_and_each_is_listed_once():
    commands = Commands()
    first, second = (Command(name="a", kind="inspect", handler=print, aliases=("b",), help=text) for text in ("1", "2"))
    commands.add(first)
    commands.add(second)
    commands.add(Command(name="0", kind="control", handler=print))
    assert [(command.name, command.help) for command in commands] == [("0", ""), ("a", "2")]
    assert commands.find("c") is None
