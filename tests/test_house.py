"""The tree keeps its promises: cheap checks of what no compiler sees."""

import ast
import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from django.core.management import call_command

from mydevices.environment import Environment

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "mydevices" / "static" / "vendor"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(.*)$")

# Spelled in parts, so that this file does not break the rule that it checks.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))]
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|root|home/\w+|Users/\w+)/")

# Whose calls draw chance, read the clock or touch files: forbidden in protocols, where all of these are arguments.
IMPURE = {
    "now",
    "utcnow",
    "today",
    "uuid1",
    "uuid4",
    "urandom",
    "generate_private_key",
    "generate_key",
    "random_serial_number",
    "open",
    "read_text",
    "read_bytes",
    "print",
}


WITHOUT_DATABASE = ("protocols", "simulator")
"""Folders of tests that `./run test` leaves out on PostgreSQL, for they never ask a database."""


@pytest.mark.parametrize("folder", WITHOUT_DATABASE)
def test_what_is_tested_on_one_database_only_asks_none(folder: str) -> None:
    assert f"--ignore=tests/{folder}" in (ROOT / "run").read_text(encoding="utf-8")
    for path in (ROOT / "tests" / folder).rglob("*.py"):
        assert not re.search(
            r"django_db|\bdb\b: None|transactional_db|live_server", path.read_text(encoding="utf-8")
        ), path


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The content of a text file; nothing of a picture."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def pins(lock: Path) -> dict[str, str]:
    """Package and version of every line that pins one."""
    found = (PIN.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {match[1]: match[2] for match in found if match}


def project() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_no_lock_file_names_where_to_download_from() -> None:
    names = {path.name for path in tracked()}
    assert not names & {"uv.lock", "package-lock.json", "poetry.lock", "Pipfile.lock", "yarn.lock", "pnpm-lock.yaml"}
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in (ROOT / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_dependency_is_pinned_by_hash(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
    assert starts
    for number in starts:
        assert PIN.match(lines[number]), lines[number]
        assert lines[number + 1].startswith("    --hash=sha256:"), lines[number]


def test_developers_run_the_versions_that_the_server_runs() -> None:
    developers = pins(ROOT / "requirements-dev.lock")
    server = pins(ROOT / "requirements.lock")
    assert server == {name: developers.get(name) for name in server}


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    for path in tracked():
        text = text_of(path)
        assert not [host for host in HOSTS if host in text], path
        assert not MACHINE_PATH.search(text), (path, MACHINE_PATH.search(text))


def test_vendored_files_are_what_the_manifest_says() -> None:
    manifest = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    listed = {"manifest.json"}
    for entry in manifest:
        assert {"name", "version", "licence", "file", "sha256"} <= entry.keys()
        content = (VENDOR / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]
        listed |= {entry["file"], entry.get("licence_file", entry["file"])}
    present = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert present == listed


def test_every_decision_says_why_and_what_it_cost() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:3] for path in decisions] == [f"{number:03}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "What we gave up"], path.name


def test_every_dependency_is_named_in_a_decision() -> None:
    decisions = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "decisions").glob("*.md")).lower()
    for requirements in ("requirements.in", "requirements-dev.in"):
        for line in (ROOT / requirements).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-r")):
                name = re.split(r"[\[<>=; ]", line)[0]
                assert name.lower() in decisions, name


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([0-9.]+)\]", changelog, re.MULTILINE)
    about = project()["project"]
    assert isinstance(about, dict)
    assert newest
    assert newest[1] == about["version"]


def test_the_readme_explains_every_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([A-Z0-9_]+)`", readme, re.MULTILINE))
    known = {
        str(field.validation_alias or f"MYDEVICES_{name.upper()}") for name, field in Environment.model_fields.items()
    }
    assert explained == known


def test_human_edges_stand_in_the_contract_that_keeps_them_from_protocols() -> None:
    tool = project()["tool"]
    assert isinstance(tool, dict)
    contract = next(one for one in tool["importlinter"]["contracts"] if one["name"].startswith("Human edges"))
    edges = ("portal", "console", "api", "presentation")
    present = {f"mydevices.{edge}" for edge in edges if (ROOT / "mydevices" / edge).is_dir()}
    assert present == set(contract["source_modules"])


def test_edges_ask_selectors_and_services_and_never_the_database_themselves() -> None:
    """`objects` is the door of every model: a question belongs to a selector, a change to a service."""
    sources = [
        path for edge in ("portal", "console", "presentation") for path in (ROOT / "mydevices" / edge).rglob("*.py")
    ]
    assert sources
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr != "objects", f"{path.relative_to(ROOT)}:{node.lineno} uses `objects`"


def test_protocols_read_no_clock_draw_no_lots_and_touch_no_files() -> None:
    sources = sorted((ROOT / "mydevices" / "protocols").rglob("*.py"))
    assert sources
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                # The exception of the design: `cryptography` draws the content key of an envelope. The table of Apple's
                # keys is part of the code, and JSON only because it is made from Apple's schema and compared with it.
                if (path.name, called) in {("cms.py", "generate_key"), ("schema.py", "read_text")}:
                    continue
                assert called not in IMPURE, f"{path.relative_to(ROOT)}:{node.lineno} calls {called}()"
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in {"urllib", "urllib.request"}, f"{path.relative_to(ROOT)} asks the network"
            elif isinstance(node, ast.Import):
                assert "urllib.request" not in {name.name for name in node.names}, f"{path.relative_to(ROOT)}"


@pytest.mark.parametrize(
    ("user", "said", "asked"),
    [
        (1000, "needs Chromium. On Debian: sudo apt install chromium.", ""),
        (0, "Chromium could not be installed.", "-qq update\n-qq install -y --no-install-recommends chromium\n"),
    ],
)
def test_run_without_chromium_installs_it_as_root_and_else_names_the_fix(
    tmp_path: Path, user: int, said: str, asked: str
) -> None:
    """On a machine that has a shell and next to nothing else; its apt-get knows no such package."""
    for name, script in {
        "id": f"echo {user}",
        "dirname": 'exec /usr/bin/dirname "$@"',
        "apt-get": f'echo "$*" >>{tmp_path}/asked; [ "$2" = update ]',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": str(tmp_path)}
    ended = subprocess.run(
        ["/bin/sh", "./run", "test", "tests/vault"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    log = tmp_path / "asked"
    assert (log.read_text(encoding="ascii") if log.exists() else "") == asked


def test_run_lists_its_commands_and_refuses_others() -> None:
    helped = subprocess.run(["./run", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for command in ("demo", "serve", "manage", "sbom", "release", "test", "check", "bench", "screenshots"):
        assert re.search(rf"^  {command} ", helped, re.MULTILINE), command
    refused = subprocess.run(["./run", "dance"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "there is no command 'dance'" in refused.stderr


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_django_finds_nothing_to_complain_about() -> None:
    call_command("check", fail_level="WARNING")


LONGEST_FILE = 500
"""Lines. A longer file says in its first words why it is."""


def test_a_long_file_says_why_it_is() -> None:
    for path in tracked():
        if path.suffix == ".py" and path.is_relative_to(ROOT / "mydevices") and "migrations" not in path.parts:
            text = text_of(path)
            why = ast.get_docstring(ast.parse(text)) or ""
            assert text.count("\n") <= LONGEST_FILE or "The file is long because" in why.replace("\n", " "), path
