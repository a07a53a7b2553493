"""`module:attribute`, and what is said when there is no application there."""

from pathlib import Path

import pytest

from tests.cli.program import Shell

GOOD = "from ringback import Ringback\nrb = Ringback()\n"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (GOOD, "nowhere:rb", ["There is no module 'nowhere'", "{folder}", "PYTHONPATH"]),
        (GOOD, "good.sub:rb", ["There is no module 'good.sub'"]),
        (GOOD, "good.py", ["is a file", "good:rb"]),
        (GOOD, "./good.py:rb", ["is a file", "good:rb"]),
        (GOOD, ":rb", ["names no module"]),
        (GOOD, "good:app", ["good has no 'app'", "Perhaps you mean good:rb"]),
        (GOOD + "app = object()", "good:app", ["good:app is no Ringback", "builtins.object"]),
        ("x = 1", "good", ["good has no 'rb'", "has no Ringback object", "rb = Ringback("]),
        ("import missing_thing", "good", ["imports 'missing_thing'", "good.py, line 1"]),
        ("1 / 0", "good", ["ZeroDivisionError: division by zero", "good.py, line 1: 1 / 0"]),
        ("def f(:", "good", ["cannot be read", "line 1"]),
        (
            GOOD + "@rb.task\ndef f(*args): ...",
            "good",
            ["takes *args", "good.py, line 3: @rb.task"],
        ),
        ("from ringback import Ringback\nrb = Ringback(prot=1)", "good", ["prot=", "no such"]),
    ],
)
def test_mistakes_are_explained(
    shell: Shell, tmp_path: Path, source: str, target: str, said: list[str]
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "good.py").write_text(source)
    done = shell.run("run", target, "--port", 0, cwd=folder)
    assert done.status == 2
    for words in said:
        assert words.format(folder=folder) in done.err
    as_json = shell.run("worker", target, "--json", cwd=folder)
    assert as_json.status == 2
    assert as_json.problem["type"] == "urn:ringback:problem:configuration-error"
    assert as_json.out == ""


def test_a_module_in_a_package_and_an_attribute_of_an_attribute(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tasks.py").write_text(
        "from ringback import Ringback\nclass apps:\n    main = Ringback('shop')\n"
    )
    with_app = shell.fresh().run(
        "settings", "--app", "shop.tasks:apps.main", "--json", cwd=tmp_path
    )
    assert with_app.status == 0, with_app.err
