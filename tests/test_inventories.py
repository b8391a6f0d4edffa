"""The inventories in docs/security say what the code has: each key, table and source of log lines, and no other."""

import ast
import re
from pathlib import Path
from typing import Final

from django.apps import apps

from mydevices.vault import registry

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs" / "security"
CLASSES: Final = {"secret", "personal", "internal"}


def table(name: str, heading: str) -> list[list[str]]:
    """The cells of each line of the table whose first column is called so."""
    text = (DOCS / name).read_text(encoding="utf-8")
    lines = text[text.index(f"| {heading} |") :].splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def places() -> set[str]:
    columns = {f"{column.model.__name__}.{column.field}" for column in registry.columns()}
    return columns | {place.name for place in registry.places()}


def test_every_sealed_place_is_in_the_inventory_of_keys() -> None:
    rows = table("keys.md", "Place")
    assert {row[0].strip("`") for row in rows} == places()
    assert all(len(row) == 5 and all(row) for row in rows)


def test_every_key_outside_of_the_database_is_in_it() -> None:
    """Settings with a secret in them stand there by their names."""
    text = (DOCS / "keys.md").read_text(encoding="utf-8")
    secrets = re.findall(r"(?:[A-Z]+_)*(?:KEY|SECRET|SMTP_URL|DATABASE_URL|OWNER_URL)\b", settings_of_the_readme())
    assert {"MYDEVICES_MASTER_KEY", "MYDEVICES_OIDC_CLIENT_SECRET", "DATABASE_URL"} <= set(secrets)
    assert [name for name in set(secrets) if f"`{name}`" not in text] == []


def settings_of_the_readme() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^\| `([A-Z_]+)`", readme, re.MULTILINE))


def test_every_table_is_classified_and_says_how_long_it_is_kept() -> None:
    rows = table("data.md", "Table")
    models = {model._meta.label: model for model in apps.get_models(include_auto_created=True)}
    assert {row[0].strip("`") for row in rows} == set(models)
    sealed = {column.model._meta.label for column in registry.columns()}
    of_a_person = {
        label
        for label, model in models.items()
        for field in model._meta.get_fields()
        if field.is_relation
        and not field.auto_created
        and getattr(field.remote_field, "model", None) is models["accounts.Person"]
    }
    # Sealed, but nobody can act as somebody else with it.
    no_secrets = {"location.Position", "applications.Listing"}
    for label, kinds, holds, kept in rows:
        named = set(kinds.split(", "))
        assert named <= CLASSES, label
        assert holds, label
        assert kept, label
        name = label.strip("`")
        assert ("secret" in named) or name not in sealed - no_secrets, name
        assert ("personal" in named) or name not in of_a_person, name


def test_every_source_of_log_lines_is_listed() -> None:
    found = set()
    for path in (ROOT / "mydevices").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                name = node.args[0]
                found.add(str(name.value) if isinstance(name, ast.Constant) else module)
    listed = {row[0].strip("`") for row in table("logs.md", "Source")}
    assert {name for name in listed if name.startswith("mydevices")} == found


def test_every_defence_against_a_threat_is_where_it_is_said_to_be() -> None:
    """Files below `mydevices/`, or below the root where the text says so."""
    text = (DOCS / "threats.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|json|toml|lock))`", text))
    missing = {path for path in named if not ((ROOT / path).exists() or (ROOT / "mydevices" / path).exists())}
    assert not missing
    assert len(named) > 50
    planes = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(planes) == 6
    assert text.count("| Who wants what | What stands between |") == len(planes) == text.count("\nLeft open: ")
