"""Calls upward go by names that are registered once, at start-up: each such register stands in the table of
docs/architecture.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
HOUSE: Final = ROOT / "mydevices"

MEMORIES: Final = {"accounts.sessions.seen"}
"""Remember something for a minute, and name nobody."""


def is_empty(value: ast.expr | None) -> bool:
    """A list, a table or a set that begins with nothing in it."""
    if isinstance(value, ast.List):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    return isinstance(value, ast.Call) and ast.unparse(value) == "set()"


def mutated(function: ast.FunctionDef) -> Iterator[str]:
    """The names that a function puts something into."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"append", "add", "extend"}:
                yield ast.unparse(node.func.value)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript):
                    yield ast.unparse(target.value)


def registers() -> Iterator[str]:
    """`accounts.following.follow`: public functions that put something into a container of their module."""
    for path in sorted(HOUSE.rglob("*.py")):
        if "migrations" in path.parts or "protocols" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        empty = set()
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and is_empty(node.value):
                empty.add(ast.unparse(node.target))
            elif isinstance(node, ast.Assign) and is_empty(node.value):
                empty |= {ast.unparse(target) for target in node.targets}
        module = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and empty & set(mutated(node)):
                yield f"{module}.{node.name}"


def listed() -> set[str]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| Register |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE))


def test_every_register_stands_in_the_table() -> None:
    assert listed() == set(registers()) - MEMORIES
