"""A docstring begins with what is done or what a thing is, and names every argument."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "umbel"

#: A first line that begins so is a clause without a subject.
CLAUSE = re.compile(r"(?:How|If|In which|That|What|When|Where|Whether|Which|Who|Whose|Why)\b")
#: Folders and files without any, in which every argument of a public function is documented, too. A package joins when it is done.
CLEAN = (
    "app",
    "beat",
    "brokers/amqp/fanout",
    "brokers/confirmed_publisher.py",
    "brokers/confirms",
    "brokers/defaults",
    "brokers/fanout",
    "brokers/memory",
    "brokers/redis/fanout",
    "brokers/sqlite/fanout",
    "canvas",
    "cli",
    "events",
    "execution",
    "leases",
    "messages",
    "pools",
    "results/polling.py",
    "results/rpc",
    "results/sql",
    "runtime",
    "schedules",
    "wire",
    "worker/events",
    "worker/slots",
    *(path.name for path in SOURCE.glob("*.py")),
)
#: Parts of those that are not done yet.
NOT_YET: tuple[str, ...] = ("pools/effects.py",)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def is_clean(path: Path) -> bool:
    name = name_of(path)
    return name.startswith(tuple(f"{each}/" if "." not in each else each for each in CLEAN)) and not name.startswith(NOT_YET)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def first_lines(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield text.partition("\n")[0]


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_") and not is_command(child):
            yield child


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A command of the command line: its docstring is the help text, and its options have their own."""
    return any(re.search(r"\.command\b|\.group\b", ast.unparse(each)) for each in function.decorator_list)


def undocumented(function: ast.FunctionDef | ast.AsyncFunctionDef, text: str | None) -> list[str]:
    """The arguments that a docstring names neither under ``Args`` nor in its text, as ``name``; none when a contract documents the method."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *filter(None, [given.vararg]), *given.kwonlyargs, *filter(None, [given.kwarg])]
    names = [each.arg for each in every if each.arg not in {"self", "cls"} and not each.arg.startswith("_")]
    return [name for name in names if text and not re.search(rf"^\s*\*{{0,2}}{name}: |``\*{{0,2}}{name}``", text, re.MULTILINE)]


def test_no_first_line_is_a_clause():
    assert not [f"{name_of(path)}: {line}" for path, tree in trees() for line in first_lines(tree) if CLAUSE.match(line)]


def test_no_first_line_of_a_clean_package_is_a_clause():
    assert not [f"{name_of(path)}: {line}" for path, tree in trees() if is_clean(path) for line in first_lines(tree) if CLAUSE.match(line)]


def attributes(tree: ast.Module, name: str) -> set[str]:
    """The attributes that a class, and those it inherits from in the same file, declare: each has its own comment."""
    (node,) = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name] or [None]
    if node is None:
        return set()
    own = {each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)}
    return own.union(*(attributes(tree, base.id) for base in node.bases if isinstance(base, ast.Name)))


def undocumented_at_classes(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for init in (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"):
                yield node.name, {*undocumented(init, ast.get_docstring(node))} - attributes(tree, node.name)


def test_public_classes_of_clean_packages_document_their_arguments():
    """Under the class, not under ``__init__``. Exceptions whose docstring is their message need not."""
    found = {f"{name_of(path)} {name}": names for path, tree in trees() if is_clean(path) for name, names in undocumented_at_classes(tree)}
    assert not {name: names for name, names in found.items() if names - {"args"}}


def test_public_functions_of_clean_packages_document_their_arguments():
    found = [(path, function) for path, tree in trees() if is_clean(path) for function in public_functions(tree)]
    missing = {f"{name_of(path)}:{each.lineno} {each.name}": undocumented(each, ast.get_docstring(each)) for path, each in found}
    assert not {name: names for name, names in missing.items() if names}


def test_the_lists_name_what_there_is():
    assert not [name for name in (*CLEAN, *NOT_YET) if not (SOURCE / name).exists()]
