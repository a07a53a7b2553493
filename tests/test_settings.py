"""Settings: where they come from, which wins, and what a wrong one says."""

from pathlib import Path

import pytest

from ringback import Ringback
from ringback.errors import ConfigurationError
from ringback.settings import PREFIX, Settings, reference


def write(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment that names a settings file of this text."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return {"RINGBACK_SETTINGS": str(file)}


def test_the_nearest_wins(tmp_path: Path) -> None:
    environment = write(tmp_path, "port = 1\nmax_body = 1\nburst = 1")
    environment |= {"RINGBACK_PORT": "2", "RINGBACK_MAX_BODY": "2"}
    settings = Settings.load(environment, port=3, burst=None)
    assert (settings.port, settings.max_body, settings.burst) == (3, 2, 1)
    assert settings.max_wait == Settings().max_wait


def test_the_file_in_the_working_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load({}).port == 8000
    (tmp_path / "ringback.toml").write_text("port = 7")
    assert Settings.load({}).port == 7


def test_a_list_stands_in_the_environment_with_commas() -> None:
    environment = {"RINGBACK_CORS_ORIGINS": "https://a.example,http://localhost:3000"}
    settings = Settings.load(environment)
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")


def test_settings_are_a_key() -> None:
    queues = {30: "https://a.example/1", 900: "b"}
    first, same = Settings(aws_queues=queues), Settings(aws_queues=dict(reversed(queues.items())))
    assert {first: 1}[same] == 1


def test_an_object_stands_in_the_environment_as_json() -> None:
    environment = {"RINGBACK_AWS_QUEUES": '{"30": "https://a.example/1", "900": "b"}'}
    assert Settings.load(environment).aws_queues == {30: "https://a.example/1", 900: "b"}
    with pytest.raises(ConfigurationError, match=r"RINGBACK_AWS_QUEUES: .*no JSON object"):
        Settings.load({"RINGBACK_AWS_QUEUES": "https://a.example"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": 70_000}, ["port=", "65535"]),
        ({"no_such": 1}, ["no_such", "there is no such setting"]),
        ({"secret": "short"}, ["secret=", "32 bytes", "openssl rand"]),
        ({"cors_origins": ("https://a.example/",)}, ["cors_origins=", "without a path"]),
        ({"cors_origins": ("a.example",)}, ["cors_origins=", "scheme"]),
        ({"cors_origins": ("https://u@a.example",)}, ["cors_origins="]),
        ({"max_wait": -1, "burst": 0}, ["max_wait=", "burst="]),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(given: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({}, **given)
    for word in words:
        assert word in str(caught.value)


def test_where_a_wrong_setting_came_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RINGBACK_PORT: "):
        Settings.load({"RINGBACK_PORT": "x"})
    with pytest.raises(ConfigurationError, match=r"settings\.toml: "):
        Settings.load(write(tmp_path, 'port = "x"'))
    with pytest.raises(ConfigurationError, match="is not TOML"):
        Settings.load(write(tmp_path, "port ="))
    with pytest.raises(ConfigurationError, match="No such file"):
        Settings.load({"RINGBACK_SETTINGS": str(tmp_path / "nothing.toml")})


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    hidden = "hunter2 " * 8
    settings = Settings.load({}, secret=hidden, jwt_secret=hidden)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({}, secret="hunter2")
    assert "hunter2" not in str(caught.value)


def test_without_a_key_it_is_development() -> None:
    assert Settings().development
    for key in ("jwt_secret", "jwt_public_key", "jwks_url"):
        assert not Settings.load({}, **{key: "x"}).development


def test_settings_do_not_change_while_it_runs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


async def test_an_application_takes_them_in_code(data: Path) -> None:
    app = Ringback("x", data=data, port=5)
    app.configure(port=6, burst=None)
    assert app.settings.port == 6
    async with app.running():
        with pytest.raises(ConfigurationError, match="before"):
            app.configure(port=7)


def test_every_setting_is_documented_with_its_variable() -> None:
    text = reference()
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` | `{PREFIX}{name.upper()}` |" in text
        assert field.description
        assert field.description in text
