"""The catalogues of messages: `python -m tests.messages` brings them up to the sources and compiles them; with
languages (`python -m tests.messages ar`) those alone.

Pure Python (Babel, and Django's own reading of templates), so that it works without gettext's tools. New messages
arrive without a translation, which tests/test_messages.py refuses.
"""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = ROOT / "mydevices"
LOCALE: Final = PRODUCT / "locale"
LANGUAGES: Final = ("de", "ar")
KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "plural": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
}
_TEXT: Final = r"u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_CALL: Final = re.compile(rf"\b(?:gettext|ngettext|pgettext|npgettext)\(\s*{_TEXT}(?:\s*,\s*(?:{_TEXT}|\w+))*\s*\)")
Message = tuple[str | tuple[str, ...], str | None]
"""What is looked up (with its plural), and its context."""


def sources() -> Iterator[tuple[Path, str]]:
    """Every file with messages, as Python that the extractor reads."""
    for path in sorted(PRODUCT.rglob("*.py")):
        if "migrations" not in path.parts:
            yield path, path.read_text(encoding="utf-8")
    for path in sorted([*PRODUCT.rglob("templates/**/*.html"), *PRODUCT.rglob("templates/**/*.txt")]):
        # Django writes calls between its filling, which is no Python that could be read as such.
        calls = _CALL.finditer(templatize(path.read_text(encoding="utf-8")))
        yield path, "\n".join(call[0] for call in calls)


def messages() -> Iterator[Message]:
    """What the product says, in the order of its files."""
    for _path, text in sources():
        for _line, found, _comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            yield found, context


def template() -> Catalog:
    catalog = Catalog()
    for found, context in messages():
        if found:
            catalog.add(found, context=context, flags=["python-format"] if _is_format(found) else [])
    return catalog


def _is_format(found: str | tuple[str, ...]) -> bool:
    texts = [found] if isinstance(found, str) else found
    return any(re.search(r"%\(\w+\)[sd]|%[sd]", text) for text in texts)


def path_of(language: str, kind: str = "po") -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"django.{kind}"


def read(language: str) -> Catalog:
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, project="MyDevices", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def written(catalog: Catalog) -> bytes:
    """The catalogue as it is kept: without places and dates, which would change with every line of the sources."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, omit_header=False, no_location=True, ignore_obsolete=True, width=120)
    text = buffer.getvalue().decode()
    _head, _blank, body = text.partition("\n\n")
    plural = f'"Plural-Forms: {catalog.plural_forms}\\n"'
    language = f'"Language: {catalog.locale_identifier}\\n"'
    kept = ['msgid ""', 'msgstr ""', language, '"MIME-Version: 1.0\\n"']
    kept += ['"Content-Type: text/plain; charset=utf-8\\n"', '"Content-Transfer-Encoding: 8bit\\n"', plural]
    return ("\n".join(kept) + "\n\n" + body).encode()


def compiled(catalog: Catalog) -> bytes:
    """The same for the same messages: Babel would write into its head when it was made."""
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def main(*languages: str) -> int:
    for language in languages or LANGUAGES:
        catalog = read(language)
        catalog.update(template(), no_fuzzy_matching=True)
        catalog.obsolete.clear()
        path_of(language).parent.mkdir(parents=True, exist_ok=True)
        path_of(language).write_bytes(written(catalog))
        path_of(language, "mo").write_bytes(compiled(read(language)))
        missing = sum(1 for message in catalog if message.id and not _is_translated(message.string))
        sys.stdout.write(f"{language}: {len(catalog)} messages, {missing} without a translation\n")
    return 0


def _is_translated(string: str | tuple[str, ...] | list[str] | None) -> bool:
    return bool(string) if isinstance(string, str) else bool(string) and all(string or ())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
