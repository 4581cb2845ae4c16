"""Bodies whose decoding would run code: pickles and YAML, each of which would make the canary directory if anything ever opened it.

Nothing here is dangerous by more than that: every gadget makes (or writes) one path.
"""

from __future__ import annotations

import base64
import builtins
import gzip
import importlib
import itertools
import os
import pickle
import subprocess
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from system.poisons import EMBED, Row, arguments, message

PICKLE, YAML = "application/x-python-serialize", "application/x-yaml"


class Reduce:
    """Unpickled, it makes a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def calls(canary: str) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Ways to make the canary."""
    code = f"__import__('os').makedirs({canary!r}, exist_ok=True)"
    return {
        "os.mkdir": (os.mkdir, (canary,)),
        "os.makedirs": (os.makedirs, (canary,)),
        "os.system": (os.system, (f"mkdir -p {canary}",)),
        "os.popen": (os.popen, (f"mkdir -p {canary}",)),
        "eval": (eval, (code,)),
        "exec": (exec, (code,)),
        "subprocess.call": (subprocess.call, (["mkdir", "-p", canary],)),
        "subprocess.check_output": (subprocess.check_output, (["mkdir", "-p", canary],)),
        "open": (builtins.open, (canary, "w")),
        "getattr": (getattr, (importlib.import_module("os"), "mkdir")),
    }


def raw_pickles(canary: str) -> Iterator[tuple[str, bytes]]:
    """Opcodes by hand: what no pickler writes."""
    path = canary.encode()
    yield "GLOBAL and REDUCE", b"cos\nmkdir\n(S'" + path + b"'\ntR."
    yield "INST", b"(S'" + path + b"'\nios\nmkdir\n."
    yield "OBJ", b"(cos\nmkdir\nS'" + path + b"'\no."
    yield "STACK_GLOBAL", b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93(\x8c" + bytes([len(path)]) + path + b"tR."
    yield "BUILD", b"ccollections\nOrderedDict\n)R(dS'x'\ncos\nmkdir\n(S'" + path + b"'\ntRsb."
    yield "posix", b"cposix\nmkdir\n(S'" + path + b"'\ntR."
    yield "twice", b"cos\nmkdir\n(S'" + path + b"'\ntR0cos\nmkdir\n(S'" + path + b"'\ntR."


def pickles(canary: str) -> Iterator[tuple[str, bytes]]:
    """Every call in every protocol, alone and where a task's arguments would be."""
    for (name, (function, args)), protocol in itertools.product(calls(canary).items(), range(6)):
        if name == "getattr":
            continue  # a module cannot be pickled
        gadget = Reduce(function, *args)
        yield f"{name}, protocol {protocol}", pickle.dumps(((gadget,), {}, EMBED), protocol)
        yield f"{name}, protocol {protocol}, bare", pickle.dumps(gadget, protocol)
        yield f"{name}, protocol {protocol}, in the embed", pickle.dumps(((), {}, {"callbacks": gadget}), protocol)
    yield from raw_pickles(canary)


def yamls(canary: str) -> Iterator[tuple[str, bytes]]:
    """Tags that unsafe loaders obey."""
    code = f"__import__('os').mkdir({canary!r})"
    tags = {
        "apply mkdir": f"!!python/object/apply:os.mkdir ['{canary}']",
        "apply system": f"!!python/object/apply:os.system ['mkdir -p {canary}']",
        "apply eval": f'!!python/object/apply:builtins.eval ["{code}"]',
        "apply subprocess": f"!!python/object/apply:subprocess.call [[mkdir, '{canary}']]",
        "new": f"!!python/object/new:os.mkdir ['{canary}']",
        "new with state": f'!!python/object/new:type\nargs: [z, !!python/tuple [], {{extend: !!python/name:exec }}]\nlistitems: "{code}"',
        "module": "!!python/module:os",
        "name": "!!python/name:os.system",
        "object": "!!python/object:subprocess.Popen {}",
        "long tag": f"!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{canary}']",
    }
    for name, text in tags.items():
        yield name, text.encode()
        yield f"{name}, as an argument", f"[[{text}], {{}}, {{}}]".encode() if "\n" not in text else text.encode() + b"\n"


def rows(canary: str) -> list[Row]:
    """At least 200 messages. What says what it is, is refused unopened; what pretends to be JSON cannot be decoded."""
    found: list[Row] = []
    for name, body in pickles(canary):
        found.append((f"pickle: {name}", message(body, content_type=PICKLE, content_encoding="binary"), "content_disallowed"))
    for name, body in yamls(canary):
        found.append((f"yaml: {name}", message(body, content_type=YAML), "content_disallowed"))
        found.append((f"yaml as json: {name}", message(body), "undecodable"))
    for name, body in raw_pickles(canary):
        text = base64.b64encode(body).decode()
        found += [
            (f"pickle as json: {name}", message(body), "undecodable"),
            (
                f"pickle as base64: {name}",
                message(base64.b64encode(body), content_type=PICKLE, content_encoding="base64"),
                "content_disallowed",
            ),
            (
                f"pickle, zipped: {name}",
                message(zlib.compress(body), content_type=PICKLE, compression="application/x-gzip"),
                "content_disallowed",
            ),
            (f"pickle, gzipped as json: {name}", message(gzip.compress(body), compression="application/x-gzip"), "undecodable"),
            (f"pickle by its short name: {name}", message(body, content_type="pickle", content_encoding="binary"), "content_disallowed"),
            (f"pickle as a tagged value: {name}", message(arguments(f'{{"__type__": "pickle", "__value__": "{text}"}}')), "undecodable"),
            (f"pickle as tagged bytes: {name}", message(arguments(f'{{"__type__": "base64", "__value__": "{text}"}}')), None),
        ]
    return found
