"""The file about ASVS says something of each requirement, once, and names only what is there. And the cheap ones among
the requirements, which no other test looks at."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse

from mydevices import search
from mydevices.accounts import addresses
from mydevices.accounts.models import ApprovalRules, Person, SignInRules
from mydevices.accounts.rights import BY_ROLE, Right
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, batches, deferrals
from mydevices.console import listing
from mydevices.environment import Environment
from mydevices.location import services as location
from mydevices.organisation import services as organisation
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import LONGEST_MESSAGE, LONGEST_PHONE
from mydevices.presentation import files
from mydevices.protocols.pki import pkcs12
from mydevices.registration import invitees, lives
from tests.test_inventories import table

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "docs" / "security" / "asvs.md"
OURS: Final = sorted((ROOT / "mydevices" / "static").glob("*.js"))
STATES: Final = {"met", "not applicable", "not met"}
BY_HAND: Final = {
    "mydevices/accounts/tasks.py",  # the table of the cache, from the settings
    "mydevices/cli/roles.py",  # roles, schemas and tables, quoted (`roles.quoted`); an operator's command
    "mydevices/outbox/leases.py",  # one of two constants, by the database
    "mydevices/outbox/services.py",  # the same
    "mydevices/commands/queue.py",  # the same
}
"""Where a statement of SQL is chosen or put together: a new one is read before it stands here."""
STARTERS: Final = {
    "mydevices/certificates/opening.py",
    "mydevices/cli/management/commands/demo.py",
    "mydevices/cli/processes.py",  # the halves of the server, which `serve` and `demo` name
}
MARKED_SAFE: Final = {
    "mydevices/presentation/certificates.py",  # a translation with a day in it
    "mydevices/presentation/moments.py",  # an attribute
    "mydevices/presentation/past.py",  # nothing
}
"""Where text is declared to be HTML by hand, and not by `format_html`."""
SPEAK: Final = {
    "mydevices/accounts/openid.py",
    "mydevices/accounts/post.py",
    "mydevices/cli/address.py",  # the server's own public address, when an operator asks
    "mydevices/cli/demonstration.py",  # looks for free ports
    "mydevices/cli/processes.py",  # its own children, by a pair of sockets
    "mydevices/cli/serving.py",  # asks the halves of this server whether they are ready
    "mydevices/cli/web.py",  # looks whether a port is free
    "mydevices/platforms/apple/gateway.py",
}
SHORTEST: Final = 15
"""Characters of a reason."""

# Levels 1 and 2 of version 5.0.0: the section, and the requirements of it.
_NUMBERS: Final = """
1.1: 1 2
1.2: 1 2 3 4 5 6 7 8 9
1.3: 1 2 3 4 5 6 7 8 9 10 11
1.4: 1 2 3
1.5: 1 2
2.1: 1 2 3
2.2: 1 2 3
2.3: 1 2 3 4
2.4: 1
3.2: 1 2
3.3: 1 2 3 4
3.4: 1 2 3 4 5 6
3.5: 1 2 3 4 5
3.7: 1 2
4.1: 1 2 3
4.2: 1
4.3: 1 2
4.4: 1 2 3 4
5.1: 1
5.2: 1 2 3
5.3: 1 2
5.4: 1 2 3
6.1: 1 2 3
6.2: 1 2 3 4 5 6 7 8 9 10 11 12
6.3: 1 2 3 4
6.4: 1 2 3 4
6.5: 1 2 3 4 5
6.6: 1 2 3
6.8: 1 2 3 4
7.1: 1 2 3
7.2: 1 2 3 4
7.3: 1 2
7.4: 1 2 3 4 5
7.5: 1 2
7.6: 1 2
8.1: 1 2
8.2: 1 2 3
8.3: 1
8.4: 1
9.1: 1 2 3
9.2: 1 2 3 4
10.1: 1 2
10.2: 1 2
10.3: 1 2 3 4
10.4: 1 2 3 4 5 6 7 8 9 10 11
10.5: 1 2 3 4 5
10.6: 1 2
10.7: 1 2 3
11.1: 1 2
11.2: 1 2 3
11.3: 1 2 3
11.4: 1 2 3 4
11.5: 1
11.6: 1
12.1: 1 2 3
12.2: 1 2
12.3: 1 2 3 4
13.1: 1
13.2: 1 2 3 4 5
13.3: 1 2
13.4: 1 2 3 4 5
14.1: 1 2
14.2: 1 2 3 4
14.3: 1 2 3
15.1: 1 2 3
15.2: 1 2 3
15.3: 1 2 3 4 5 6 7
16.1: 1
16.2: 1 2 3 4 5
16.3: 1 2 3 4
16.4: 1 2 3
16.5: 1 2 3
17.1: 1
17.2: 1 2 3 4
17.3: 1 2
"""
NUMBERS: Final = [
    f"{section}.{number}"
    for section, rest in (line.split(": ") for line in _NUMBERS.split("\n") if line)
    for number in rest.split()
]


def rows() -> list[list[str]]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in found if re.fullmatch(r"\d+\.\d+\.\d+", row[0])]


def paths(text: str) -> list[str]:
    return re.findall(r"`((?:mydevices|tests|docs)/[\w./-]+|SECURITY\.md)`", text)


def test_each_requirement_stands_there_once_and_in_order() -> None:
    assert len(NUMBERS) == len(set(NUMBERS)) == 253
    assert [row[0] for row in rows()] == NUMBERS


def test_each_has_a_level_a_state_and_where_or_why() -> None:
    for row in rows():
        number, level, asked, state, why = row
        assert level in {"1", "2"}, number
        assert asked, number
        assert state in STATES, number
        named = paths(why)
        if state == "met":
            documents = [path for path in named if path.startswith("docs/") or path == "SECURITY.md"]
            assert documents or any(path.startswith("mydevices/") for path in named), number
            assert any(path.startswith("tests/") for path in named), number
        else:
            assert len(why) >= SHORTEST, number
        if state == "not met":
            assert "would take" in why or "set `MYDEVICES_" in why, number


def test_every_file_that_it_names_is_there() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert [path for path in paths(text) if not (ROOT / path).is_file()] == []
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests] == []


def test_the_counts_and_the_list_at_the_top_are_those_of_the_tables() -> None:
    counted = Counter(row[3] for row in rows())
    assert {row[0]: int(row[1]) for row in table("asvs.md", "State")} == counted
    listed = re.findall(r"^- (\d+\.\d+\.\d+), ", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [row[0] for row in rows() if row[3] == "not met"]


# The documents that it names


def test_limits_are_those_of_the_code() -> None:
    rules, self_service = ApprovalRules(), SelfServiceRules()
    assert [row[1] for row in table("limits.md", "Limit")] == [
        str(self_service.person_wipes),
        str(self_service.organisation_wipes),
        str(rules.batch_devices),
        str(rules.configuration_devices),
        f"{batches.MOST:,}",
        str(invitees.MOST),
        f"{listing.MOST:,}",
        str(lives.MOST_USERS),
        f"{location.MOST_KEPT:,}",
        str(deferrals.MOST_A_DAY),
    ]
    typed = {row[0]: row[1] for row in table("limits.md", "What")}
    assert f"at most {addresses.LONGEST} characters" in typed["E-mail address"]
    assert f"{SignInRules().minimum_length} to {SignInRules.LONGEST} characters" in typed["Password"]
    assert f"{invitees.LONGEST_NAME} characters" in typed["Name of a person"]
    assert f"{LONGEST_MESSAGE} and {LONGEST_PHONE} characters" in typed["Message and phone number of a lock"]
    assert typed["Reason"] == f"{asking.LONGEST_REASON} characters"
    assert (search.MOST, typed["Search"]) == (6, f"six words of {search.LONGEST} characters")
    largest = {row[0]: row[2] for row in table("limits.md", "Upload")}
    assert largest["Certificate of a person, or one for many devices"] == f"{pkcs12.MAXIMUM_SIZE // 1024} kB"
    assert largest["Logo"].startswith(f"{organisation.LARGEST_LOGO // 1024} kB")
    assert largest["List of people"] == f"{invitees.LARGEST // 1024} kB"


def test_places_that_documents_name_are_there() -> None:
    for name in ("limits.md", "authorisation.md"):
        text = (FILE.parent / name).read_text(encoding="utf-8")
        named = re.findall(r"`((?:\w+/)+\w+\.\w+|\w+\.py)`", text)
        assert named
        for path in named:
            assert (ROOT / "mydevices" / path.removeprefix("mydevices/")).is_file(), (name, path)


def test_rights_are_written_down_as_they_are() -> None:
    roles = [Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR, Person.Role.ADMINISTRATOR]
    assert {row[0].strip("`"): row[1:] for row in table("authorisation.md", "Right")} == {
        str(right): ["yes" if right in BY_ROLE[role] else "no" for role in roles] for right in Right
    }


def test_settings_that_name_somebody_to_talk_to_are_written_down() -> None:
    text = (FILE.parent / "connections.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([A-Z_]*(?:_URL|_ISSUER|_TILES))`", readme, re.MULTILINE)
    assert "MYDEVICES_OIDC_ISSUER" in named
    assert [name for name in named if f"`{name}`" not in text] == []


# Requirements that no other test looks at


@pytest.mark.parametrize(
    "wrong", ["eval(", "new Function", "innerHTML", "outerHTML", "document.write", "__proto__", "onpaste", '"paste"']
)
def test_our_scripts_do_nothing_dangerous_and_hinder_no_paste(wrong: str) -> None:
    assert OURS
    assert [path.name for path in OURS if wrong in path.read_text(encoding="utf-8")] == []


def test_the_server_evaluates_no_code_and_starts_no_shell() -> None:
    wrong = re.compile(r"(?<![\w.])(?:eval|exec)\(|shell=True|os\.system|\bimport pickle|yaml\.load\(")
    for path in (ROOT / "mydevices").rglob("*.py"):
        assert not wrong.search(path.read_text(encoding="utf-8")), path


def test_what_pages_keep_in_a_browser_is_a_time() -> None:
    kept = [name for path in OURS for name in re.findall(r"setItem\((.+?)[,)]", path.read_text(encoding="utf-8"))]
    assert kept == ['"opened"']


def test_cookies_are_the_hosts_own_and_sent_by_https_alone() -> None:
    assert settings.SESSION_COOKIE_SAMESITE == settings.CSRF_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
    assert not settings.SECURE_SSL_REDIRECT


_COOKIES: Final = """
import json, django
django.setup()
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from mydevices.accounts.models import Person
from mydevices.accounts.requests import COOKIE, remember_in_browser, write_cookie
from mydevices.portal.middleware import Preferences

request, answer = RequestFactory().get("/"), HttpResponse()
remember_in_browser(request, Person(name="Ines"))
write_cookie(request, answer)
found = {name: dict(cookie) for name, cookie in answer.cookies.items()}
for name in ("SESSION", "CSRF"):
    given = {word: getattr(settings, f"{name}_COOKIE_{word.upper()}") for word in ("secure", "path", "domain")}
    found[getattr(settings, f"{name}_COOKIE_NAME")] = given
print(json.dumps([found, Preferences.COOKIE, settings.DEBUG]))
"""


def test_every_cookie_of_a_public_address_is_bound_to_its_host(tmp_path: Path) -> None:
    """`__Host-`: by https alone, for the whole host and no other (RFC 6265bis, 4.1.3.2)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
    given = {
        "DJANGO_SETTINGS_MODULE": "mydevices.settings",
        "MYDEVICES_DATA": str(tmp_path),
        "MYDEVICES_SECRET_KEY": "of a test and of nothing else, and long enough for it",
        "MYDEVICES_PUBLIC_URL": "https://devices.example.org",
    }
    said = subprocess.run(
        [sys.executable, "-c", _COOKIES], env={**kept, **given}, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    found, zone, debug = json.loads(said)
    assert debug is False, "nor does it show more than it should (13.4.2); with tests, Django sets that itself"
    assert sorted(found) == ["__Host-browser", "__Host-csrf", "__Host-session"]
    for name, cookie in found.items():
        assert cookie["secure"], name
        assert (cookie["path"], cookie["domain"] or "") == ("/", ""), name
    script = (ROOT / "mydevices" / "static" / "mydevices.js").read_text(encoding="utf-8")
    assert zone == "__Host-zone"
    assert '"__Host-zone" : "zone"' in script
    assert "Path=/" in script
    assert "; Secure" in script


def test_no_other_cookie_is_ever_set() -> None:
    """Whoever sets another one has it stand in the test above."""
    places = {
        (path.relative_to(ROOT).as_posix(), wanted)
        for ending in ("py", "js")
        for path in (ROOT / "mydevices").rglob(f"*.{ending}")
        if "vendor" not in path.parts
        for wanted in ("set_cookie(", "set_signed_cookie(", "document.cookie =")
        if wanted in path.read_text(encoding="utf-8")
    }
    assert places == {
        ("mydevices/accounts/requests.py", "set_cookie("),
        ("mydevices/static/mydevices.js", "document.cookie ="),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/sign-in", "/nowhere", "/.git/config", "/static/", "/static/../settings.py"])
def test_every_page_has_its_headers_and_nothing_else_is_served(client: Client, address: str) -> None:
    answer = client.get(address, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == (200 if address == "/sign-in" else 404)
    policy = [directive.strip() for directive in answer["Content-Security-Policy"].split(";")]
    wanted = {"default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
    assert wanted | {"script-src 'self'", "style-src 'self'", "form-action 'self'"} <= set(policy)
    assert not [directive for directive in policy if "unsafe" in directive or "*" in directive]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize(
    ("made", "named"),
    [(files.file("people", ["Name"], [["=1+1"]]), "people.csv"), (files.json_file("audit", [{"a": 1}]), "audit.json")],
    ids=["CSV", "JSON"],
)
def test_a_list_as_a_file_is_saved_and_not_shown(made: HttpResponse, named: str) -> None:
    assert made["Content-Disposition"] == f'attachment; filename="{named}"'
    assert b"'=1+1" in made.content or named == "audit.json"


@pytest.mark.django_db
def test_pages_count_and_write_down_the_address_that_the_trusted_proxy_saw(client: Client) -> None:
    with override_settings(ENVIRONMENT=Environment(trusted_proxies=1)):
        client.post(
            reverse("account_login"),
            {"login": "nobody@aldermoor.example", "password": "not the right one"},
            headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"},
        )
    assert Entry.objects.get(verb=Verb.SIGN_IN_FAILED).address == "203.0.113.9"


# What no part of the server may do, in all of its sources


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((ROOT / "mydevices").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT), node


def _is_constant(node: ast.expr) -> bool:
    """Text of the sources alone, such as `r"a" + _B` or `f"{_A}b"`: names in capitals are constants of theirs."""
    return all(
        isinstance(
            part, ast.Constant | ast.BinOp | ast.JoinedStr | ast.FormattedValue | ast.operator | ast.expr_context
        )
        or (isinstance(part, ast.Name) and part.id.lstrip("_").isupper())
        for part in ast.walk(node)
    )


def test_every_pattern_is_made_of_text_that_stands_in_the_sources() -> None:
    """A pattern made of what somebody typed could take for ever, or match what it should not."""
    makers = {
        f"re.{name}" for name in ("compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer")
    }
    found = {
        path.as_posix()
        for path, call in _calls()
        if ast.unparse(call.func) in makers and not _is_constant(call.args[0])
    }
    # Of the names of variables, of the routes, and of the schema that comes along.
    assert found == {
        "mydevices/configurations/variables.py",
        "mydevices/presentation/slow_pages.py",
        "mydevices/protocols/apple/schema.py",
    }


def test_every_statement_that_is_written_by_hand_is_made_of_text_that_stands_in_the_sources() -> None:
    makers = ("execute", "executemany", "raw", "extra", "RawSQL")
    found = {
        path.as_posix()
        for path, call in _calls()
        if ast.unparse(call.func).rpartition(".")[2] in makers
        and "migrations" not in path.parts
        and call.args
        and not _is_constant(call.args[0])
    }
    assert found == BY_HAND


def test_templates_are_files_and_their_names_stand_in_the_sources() -> None:
    text = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "mydevices").rglob("*.py")
    }
    assert [name for name, source in text.items() if re.search(r"from_string\(|\bTemplate\(", source)] == []
    assert {name for name, source in text.items() if re.search(r"mark_safe\(|SafeString\(", source)} == MARKED_SAFE
    pages = {path: path.read_text(encoding="utf-8") for path in (ROOT / "mydevices").rglob("*.html")}
    assert [path for path, source in pages.items() if re.search(r"\|\s*safe\b|autoescape off|safeseq", source)] == []


def test_who_speaks_to_other_machines_at_all_is_known() -> None:
    """Each of these asks an address of the settings, or one that they allow (`docs/security/connections.md`)."""
    libraries = r"socket|smtplib|httpx2?|requests|urllib\.request|http\.client|aiohttp"
    wrong = re.compile(rf"^\s*(?:import|from) (?:{libraries})\b", re.MULTILINE)
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mydevices").rglob("*.py")
        if wrong.search(path.read_text(encoding="utf-8"))
    }
    assert found == SPEAK


def test_no_program_is_started_with_text_from_outside() -> None:
    starters = {"subprocess.Popen", "subprocess.run", "subprocess.check_output", "os.execv", "os.spawnv", "os.popen"}
    found = {path.as_posix() for path, call in _calls() if ast.unparse(call.func) in starters}
    assert found == STARTERS


@pytest.mark.django_db
def test_the_field_of_a_password_hides_it_and_tells_managers_what_it_is(client: Client) -> None:
    page = client.get(reverse("account_login")).content.decode()
    assert re.search(r'<input type="password"[^>]*autocomplete="current-password"', page)
    assert "hint" not in page.lower()


def test_ways_in_and_times_of_sessions_are_written_down() -> None:
    text = (ROOT / "docs" / "sign-in.md").read_text(encoding="utf-8")
    assert all(f"\n## {heading}\n" in text for heading in ("All ways in", "Passwords", "Sessions"))
    assert f"{SignInRules().idle_minutes // 60} hours" in text
    assert settings.SESSION_COOKIE_AGE == 14 * 24 * 3600
