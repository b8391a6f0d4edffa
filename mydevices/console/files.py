"""Lists as files, harmless in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.http import HttpResponse


class _Echo:
    """What the writer writes is what it gives."""

    def write(self, line: str) -> str:
        return line


def harmless(value: object) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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
