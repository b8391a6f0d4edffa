"""Tables of the console: search, filters, sorting and pages, all in the address, so that they work without scripts
and can be kept as a bookmark.

A page costs three statements at most, however long the list: the keys of its rows (from an index alone, as far as there
is one for its order), the rows, and a count that stops at MOST.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db.models import Count, Model, QuerySet, Window
from django.http import QueryDict
from django.utils.functional import Promise

Row = TypeVar("Row", bound=Model)
Words = str | Promise

SIZE: Final = 50
"""Rows of a page."""
MOST: Final = 10_000
"""Up to here rows are counted; beyond, a list says that there are more."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `order` are the fields or expressions that sort by it, none where it cannot be sorted by."""

    key: str
    label: Words
    order: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter(Generic[Row]):
    """A choice above the table: `apply` narrows the rows to a value; the empty value is `label`. `gathers` says that no
    index has what it finds in the order of the table."""

    key: str
    label: Words
    choices: Sequence[tuple[str, Words]]
    apply: Callable[["QuerySet[Row]", str], "QuerySet[Row]"]
    gathers: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head as the page shows it: where it leads, and how the table is sorted by it now."""

    label: Words
    url: str
    sorted: str
    """`ascending`, `descending`, or empty."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """What a table shows. `total` is the number of rows, or MOST where there are `more`."""

    rows: Sequence[Row]
    total: int
    more: bool
    first: int
    last: int
    newer: str
    older: str
    heads: Sequence[Head]
    search: str
    chosen: Sequence[tuple["Filter[Row]", str]]
    query: str
    """What narrows the table, for a link to the same rows as a file."""


def _url(query: QueryDict, **changes: str) -> str:
    changed = query.copy()
    for name, value in changes.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    return f"?{changed.urlencode()}"


def narrowed(
    rows: "QuerySet[Row]",
    query: QueryDict,
    *,
    search: Callable[["QuerySet[Row]", str], "QuerySet[Row]"],
    filters: Sequence["Filter[Row]"],
) -> "QuerySet[Row]":
    """The rows that the address asks for. What it asks for that is not offered is not heard."""
    text = query.get("q", "").strip()[:100]
    if text:
        rows = search(rows, text)
    for one in filters:
        value = query.get(one.key, "")
        if value and value in {offered for offered, _label in one.choices}:
            rows = one.apply(rows, value)
    return rows


def page(
    rows: "QuerySet[Row]",
    query: QueryDict,
    *,
    columns: Sequence[Column],
    filters: Sequence["Filter[Row]"],
    search: Callable[["QuerySet[Row]", str], "QuerySet[Row]"],
    full: Callable[["QuerySet[Row]"], "QuerySet[Row]"],
    default: str,
) -> "Page[Row]":
    """One page of a table. `full` adds to the rows of the page what their cells need; `default` is the sort (`name`, or
    `-name` from its end) where the address names none."""
    wanted = narrowed(rows, query, search=search, filters=filters)
    number = _number(query.get("page", ""))
    key = query.get("sort", default)
    by = {column.key: column for column in columns if column.order}
    column = by.get(key.removeprefix("-")) or by[default.removeprefix("-")]
    falling = key.startswith("-")
    order = [_turned(one) if falling else one for one in column.order]
    start = (number - 1) * SIZE
    gathers = any(one.gathers and query.get(one.key) for one in filters)
    keys, counted = _keys(wanted, order, start, at_once=gathers or bool(query.get("q", "").strip()))
    found = full(rows.model._default_manager.filter(pk__in=keys[:SIZE]))  # noqa: SLF001  Django's way to any model's rows
    by_key = {row.pk: row for row in found}
    shown = [by_key[pk] for pk in keys[:SIZE] if pk in by_key]
    return Page(
        rows=shown,
        total=min(counted, MOST),
        more=counted > MOST,
        first=start + 1 if shown else 0,
        last=start + len(shown),
        newer=_url(query, page=str(number - 1) if number > 2 else "") if number > 1 else "",
        older=_url(query, page=str(number + 1)) if len(keys) > SIZE else "",
        heads=[_head(one, query, key) for one in columns],
        search=query.get("q", "").strip()[:100],
        chosen=[(one, query.get(one.key, "")) for one in filters],
        query=_url(query, page=""),
    )


def _keys(rows: "QuerySet[Row]", order: Sequence[Any], start: int, *, at_once: bool) -> tuple[list[Any], int]:
    """The keys of a page and of the row behind it, and how many rows there are, up to MOST and one. What must be found
    whole before it is sorted is counted `at_once`, by the same statement."""
    if at_once:
        both = list(rows.order_by(*order).values_list("pk", Window(Count("*")))[start : start + SIZE + 1])
        if both or not start:
            return [key for key, _number in both], min(both[0][1], MOST + 1) if both else 0
    counted = rows.order_by()[: MOST + 1].count()
    return list(rows.order_by(*order).values_list("pk", flat=True)[start : start + SIZE + 1]), counted


def _number(text: str) -> int:
    """Of a page; the first for anything that is none."""
    return max(1, min(int(text), 100_000)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _turned(order: Any) -> Any:
    if isinstance(order, str):
        return order.removeprefix("-") if order.startswith("-") else f"-{order}"
    return order.desc()  # nulls where the database has them at that end: its index has no other order


def _head(column: Column, query: QueryDict, key: str) -> Head:
    if not column.order:
        return Head(column.label, "", "")
    is_here = key.removeprefix("-") == column.key
    state = ("descending" if key.startswith("-") else "ascending") if is_here else ""
    following = f"-{column.key}" if state == "ascending" else column.key
    return Head(column.label, _url(query, sort=following, page=""), state)
