"""An action is two rows: one of rules, one of words. Nothing else in the house is keyed by it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.urls import reverse

import mydevices
from mydevices.actions import ACTIONS, PERMISSIONS, ActionKind, Proof, Says
from mydevices.audit.actor import asking
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules, names
from mydevices.presentation.actions import WORDS

HOUSE: Final = Path(mydevices.__file__).parent
ROWS: Final = {HOUSE / "actions.py", HOUSE / "presentation/actions.py"}

NO_TABLES: Final = {
    "presentation/device_cards.py": "Which buttons a card begins with, by how the device is.",
    "portal/views/losing.py": "What the steps for a lost device are made of.",
}
"""Where several actions stand beside one another all the same, and why that is no table."""


def files() -> list[Path]:
    return sorted(path for path in HOUSE.rglob("*.py") if path not in ROWS and "platforms/" not in str(path))


def _is_action(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "value":
        node = node.value
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ActionKind"


def tables(tree: ast.AST) -> Iterator[int]:
    """The lines of displays that are keyed by actions or list several, and of what is matched against one."""
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys) if any(map(_is_action, keys)):
                yield node.lineno
            case ast.Set(elts=elements) | ast.List(elts=elements) | ast.Tuple(elts=elements) if (
                sum(map(_is_action, elements)) > 1
            ):
                yield node.lineno
            case ast.MatchValue(value=value) if _is_action(value):
                yield node.lineno


def test_both_rows_are_there_for_every_action() -> None:
    assert list(ACTIONS) == list(WORDS) == list(ActionKind)


def test_no_other_table_is_keyed_by_action() -> None:
    found = {str(path.relative_to(HOUSE)) for path in files() if any(tables(ast.parse(path.read_text())))}
    assert found == set(NO_TABLES)


@pytest.mark.parametrize(
    "table",
    [
        "X = {ActionKind.LOCK: 1}",
        "X = {ActionKind.LOCK.value: 1}",
        "X = frozenset({ActionKind.LOCK, ActionKind.WIPE})",
        "X = (ActionKind.LOCK, ActionKind.WIPE)",
        "match kind:\n    case ActionKind.LOCK:\n        pass",
    ],
)
def test_such_a_table_would_be_found(table: str) -> None:
    assert list(tables(ast.parse(table)))


def test_no_address_template_or_word_is_made_from_the_name_of_an_action() -> None:
    """But for the one place that knows how the portal's addresses are called."""
    made = {
        str(path.relative_to(HOUSE))
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr) and _names_a_page(node)
    }
    assert made == {"presentation/device_cards.py", "portal/middleware.py"}


def _names_a_page(node: ast.JoinedStr) -> bool:
    begins = node.values[0]
    return (
        isinstance(begins, ast.Constant)
        and str(begins.value).startswith(("portal", "console"))
        and any(
            isinstance(part, ast.FormattedValue) and ast.unparse(part.value).startswith(("kind", "action"))
            for part in node.values
        )
    )


@pytest.mark.parametrize("kind", ActionKind)
def test_what_a_row_says_hangs_together(kind: ActionKind) -> None:
    rules, words = ACTIONS[kind], WORDS[kind]
    reverse(f"portal:{kind}", args=["00000000-0000-0000-0000-000000000000"])
    assert f'<symbol id="{words.icon}"' in (HOUSE / "static/mydevices.svg").read_text(encoding="utf-8")
    assert bool(words.held) == bool(words.then) == bool(words.undo) == rules.takes
    assert bool(words.of_many) == (rules.batch is not None)
    assert not rules.permission or rules.permission in PERMISSIONS
    assert not rules.allows or rules.permission == kind
    assert bool(rules.others_only_if) == bool(rules.others_refused)
    assert not rules.others_only_if or isinstance(getattr(Privacy(), rules.others_only_if), bool)
    assert rules.proof is Proof.ALWAYS or not rules.takes, "What takes something away needs a fresh proof."
    assert asking(kind).own == (rules.proof is not Proof.ALWAYS)
    assert asking(kind).others == (rules.proof is Proof.NEVER)
    assert words.dialog is not None or rules.says is Says.NOTHING
    for text in (words.title, words.on_device, words.under_way, words.done, words.cancel):
        assert "%(" not in str(text % {"noun": "iPhone", "what": "iPhone"})


def test_an_action_that_nobody_declared_is_allowed_nothing() -> None:
    assert not any((asking("fly").limited, asking("fly").own, asking("fly").others))


# What came after a policy was saved


def saved(allowed: list[str], chosen_from: list[str], **more: object) -> SelfServiceRules:
    return SelfServiceRules.read({"allowed": allowed, "chosen_from": chosen_from, **more})


@pytest.mark.parametrize("later", [True, False])
def test_a_saved_policy_says_what_becomes_of_a_later_action(later: bool) -> None:
    rules = saved(["lock"], [what for what in EVERYTHING if what != "wipe"], later=later)
    assert rules.allows("wipe") == later
    assert rules.allows("lock")
    assert not rules.allows("retire")
    assert rules.chosen_from == EVERYTHING


def test_what_was_there_to_choose_and_was_not_chosen_stays_forbidden() -> None:
    assert not saved(["lock"], list(EVERYTHING), later=True).allows("wipe")


def test_a_policy_from_before_it_could_say_so_allows_later_ones_if_it_allowed_everything() -> None:
    first = ["check_in", "lock", "unlock", "locate", "retire", "wipe", "certificates", "register"]
    assert SelfServiceRules.read({"allowed": first}).later
    assert not SelfServiceRules.read({"allowed": first[:-1]}).later


def test_what_is_stored_reads_as_the_same() -> None:
    rules = SelfServiceRules(allowed=("lock", "register"), later=False)
    assert SelfServiceRules.read(rules.stored()) == rules


def test_every_permission_has_its_words() -> None:
    assert tuple(names()) == EVERYTHING
    assert all(names().values())
