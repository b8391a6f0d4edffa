"""How lists are searched: by the beginnings of words, through an index, on both databases.

What can be searched for has its words in a table of their own (`Word`), folded: without accents, capital letters and
punctuation, so that “yildiz” finds Elif Yıldız. A search of several words finds what has them all, in any order.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, Final, Self

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler

LONGEST: Final = 64
"""Characters of a word."""
MOST: Final = 6
"""Words of a search; further ones are not asked for."""

_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_BETWEEN: Final = re.compile(r"[^\w@]+|_+")
_PLAIN: Final = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
"""Letters that people type without what makes them special, and that Unicode does not take apart."""


def fold(text: str) -> str:
    """Text as it is compared and sorted: small letters without accents, single spaces."""
    taken_apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in taken_apart if not unicodedata.combining(letter))
    return " ".join(bare.translate(_PLAIN).replace("\0", "").split())


def words(*texts: str) -> frozenset[str]:
    """The words of these texts. An address and a version such as 18.1 are words as a whole, and so are their parts."""
    found = set()
    for text in texts:
        for chunk in fold(text).split():
            if _is_whole(chunk):
                found.add(chunk[:LONGEST])
            found.update(part[:LONGEST] for part in _BETWEEN.split(chunk.replace("@", " ")) if part)
    return frozenset(found)


def _is_whole(chunk: str) -> bool:
    return "@" in chunk or _VERSION.fullmatch(chunk) is not None


def wanted(text: str) -> tuple[str, ...]:
    """What a search asks for: the beginnings of words, in the order typed. An address counts as one, and so does a
    version."""
    found: dict[str, None] = {}
    for chunk in fold(text).split():
        parts = [chunk] if _is_whole(chunk) else [part for part in _BETWEEN.split(chunk) if part]
        found.update(dict.fromkeys(part[:LONGEST] for part in parts))
    return tuple(found)[:MOST]


@models.CharField.register_lookup
class Prefix(models.Lookup):
    """`word__prefix="oka"`: the words that begin so, found through the column's index. SQLite's LIKE cannot use one,
    for it makes no difference between small and capital letters; a range can."""

    lookup_name = "prefix"

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[str | int, ...]]:
        left, parameters = self.process_lhs(compiler, connection)
        escaped = re.sub(r"([\\%_])", r"\\\1", str(self.rhs))
        return f"{left} LIKE %s", (*parameters, f"{escaped}%")

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        left, parameters = self.process_lhs(compiler, connection)
        begin = str(self.rhs)
        return f"({left} >= %s AND {left} < %s)", (*parameters, begin, *parameters, f"{begin}\U0010ffff")


class Word(models.Model):
    """A word of something that can be searched for. A concrete table names what it is of (`of`), and is indexed by
    `word_index`."""

    word = models.CharField(max_length=LONGEST)

    class Meta:
        abstract = True


def word_index(name: str) -> models.Index:
    """The index of a table of words: by the word's beginning, with what it is of beside it."""
    return models.Index(fields=["word", "of"], name=name, opclasses=["varchar_pattern_ops", "uuid_ops"])


class Searched(models.Model):
    """Something that can be searched for by the words of some of its fields. They are written anew when it is saved
    with another text; who writes rows past `save` writes the words too (`fresh`)."""

    SEARCHED: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True

    _said: tuple[str, ...] | None = None
    """The texts as the database has them; None for a new row, or where they were not read."""

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        fields = None if update_fields is None else set(update_fields)
        if fields is not None and not fields & set(self.SEARCHED):
            super().save(*args, update_fields=fields, **options)
            return
        said = self._texts()
        if said == self._said:
            super().save(*args, update_fields=fields, **options)
            return
        is_new = self._state.adding
        with transaction.atomic():
            super().save(*args, update_fields=fields, **options)
            rows = self.words_table().objects
            if not is_new:
                rows.filter(of=self).delete()
            rows.bulk_create(self.fresh(), ignore_conflicts=True)
        self._said = said

    @classmethod
    def words_table(cls) -> Any:
        """The model of its words, at the other end of `Word.of`."""
        return cls._meta.get_field("words").related_model

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        row = super().from_db(db, field_names, values, **options)
        if all(name in row.__dict__ for name in cls.SEARCHED):
            row._said = row._texts()  # noqa: SLF001  its own, in the making
        return row

    def _texts(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in self.SEARCHED)

    def fresh(self) -> Sequence[Any]:
        """The rows of its words, not saved yet."""
        table = self.words_table()
        return [table(of=self, word=word) for word in sorted(words(*self._texts()))]

    @classmethod
    def matching(cls, text: str) -> QuerySet[Any, Any]:
        """The ids of what has all the words of a search, for `id__in`; empty for a text without a word."""
        first, *others = wanted(text) or ("",)
        found = cls.having(first) if first else cls.words_table().objects.none().values("of_id")
        for other in others:
            found = found.filter(of_id__in=cls.having(other))
        return found

    @classmethod
    def having(cls, beginning: str) -> QuerySet[Any, Any]:
        """The ids of what has a word with this beginning (`wanted`), for `id__in`."""
        found: QuerySet[Any, Any] = cls.words_table().objects.filter(word__prefix=beginning).values("of_id")
        return found
