"""`ringback token` and `ringback settings`."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk, jwt

from ringback.settings import Settings, reference
from tests.cli.program import Server, Shell

KEY = "0123456789abcdef0123456789abcdef"
SECRET: Any = {"RINGBACK_JWT_SECRET": KEY}


def test_a_jwt(shell: Shell) -> None:
    made = shell.run(
        *("token", "--subject", "alice", "--scope", "a", "--scope", "b", "--expires", "2h"),
        "--json",
        RINGBACK_JWT_ISSUER="https://issuer.example",
        RINGBACK_JWT_AUDIENCE="ringback",
        **SECRET,
    ).json
    claims = jwt.decode(made["token"], jwk.OctKey.import_key(KEY), algorithms=["HS256"]).claims
    assert claims["sub"] == made["subject"] == "alice"
    assert claims["scope"] == made["scope"] == "a b"
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["iss"] == "https://issuer.example"
    assert claims["aud"] == "ringback"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--subject", "a"], {}, "RINGBACK_JWT_SECRET"),
        (["--subject", "a"], {"RINGBACK_JWT_SECRET": "short"}, "32 bytes"),
        (["--subject", "a", "--expires", "soon"], SECRET, "1h, 7d"),
        ([], SECRET, "--subject NAME"),
        (["--subject", "a", "--operation", "x"], SECRET, "--subject NAME"),
        (["--operation", "x"], SECRET, "--data"),
        (["--subject", ""], SECRET, "Give a name"),
    ],
)
def test_mistakes_are_explained(
    shell: Shell, arguments: list[str], environment: Any, said: str
) -> None:
    done = shell.run("token", *arguments, **environment)
    assert done.status == 2
    assert said in done.err


def test_the_token_of_an_operation(shell: Shell, data: Path) -> None:
    with Server(shell, data) as server:
        operation = server.submit("add", a=1)
        made = shell.run("token", "--operation", operation, "--data", data)
        assert made.status == 0, made.err
        assert made.out.strip() == server.tokens[operation]
        own = f"{server.url}/operations/{operation}"
        assert httpx.get(own, params={"token": made.out.strip()}).status_code == 200


def test_settings_say_where_they_come_from(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").write_text("grace = 3\nport = 1\n")
    (tmp_path / "app.py").write_text("from ringback import Ringback\nrb = Ringback(threads=2)\n")
    environment: Any = {**SECRET, "RINGBACK_PORT": "2", "RINGBACK_ENGINE": "nats://me:secret@h/"}
    done = shell.run("settings", "--app", "app", "--json", cwd=tmp_path, **environment)
    found = {row["name"]: row for row in done.json["settings"]}
    assert set(found) == set(Settings.model_fields)
    assert (found["grace"]["value"], found["grace"]["origin"]) == (3, "ringback.toml")
    assert (found["port"]["value"], found["port"]["origin"]) == (2, "RINGBACK_PORT")
    assert (found["threads"]["value"], found["threads"]["origin"]) == (2, "code")
    assert (found["burst"]["value"], found["burst"]["origin"]) == (50, "default")
    table = shell.run("settings", cwd=tmp_path, **environment)
    for output in (done.out, table.out):
        assert KEY not in output
        assert "secret@" not in output
    assert found["jwt_secret"]["value"] == "••••••"


def test_the_reference_of_settings(shell: Shell) -> None:
    assert shell.run("settings", "--markdown").out == reference()
