"""Lists as files, harmless in a spreadsheet."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from django.http import HttpResponse

_BEGINNINGS: Final = tuple("=+-@＝＋－＠\t\r\n")  # noqa: RUF001  the wide ones count as formulas as well
"""What makes a cell a formula; spreadsheets for East Asian languages take full-width signs for their narrow ones."""


class _Echo:
    """What the writer writes is what it gives."""

    def write(self, line: str) -> str:
        return line


def harmless(value: object) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_BEGINNINGS) else text


def json_file(name: str, rows: Iterable[Mapping[str, object]]) -> HttpResponse:
    """A list of objects."""
    content = json.dumps(list(rows), ensure_ascii=False, indent=1)
    response = HttpResponse(content.encode(errors="replace"), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


def file(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield "\ufeff"  # so that spreadsheets read it as UTF-8
        yield str(writer.writerow([harmless(one) for one in head]))
        for row in rows:
            yield str(writer.writerow([harmless(one) for one in row]))

    response = HttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
