import pytest

from mydevices.accounts.browsers import described

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{MAC}605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15", "Safari on Mac"),
        (f"{MAC}537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Mac"),
        (
            f"{WINDOWS}AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (f"{WINDOWS}Gecko/20100101 Firefox/143.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) CriOS/140.0 Mobile Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.0", "an unknown browser"),
        ("", "an unknown browser"),
    ],
)
def test_a_browser_is_named_as_people_name_it(user_agent: str, name: str) -> None:
    assert described(user_agent) == name
