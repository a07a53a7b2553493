"""``Upload``: its JSON form, its way into other processes, its bounds."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ringback import Upload
from ringback.errors import ConfigurationError, LimitExceeded
from ringback.uploads.store import make_known

ID = "01a1ffb3-05d0-7efa-afc7-fd85fba41103"
CONTENT = b"0123456789"


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    make_known("here", tmp_path.as_uri())
    (tmp_path / ID).mkdir()
    (tmp_path / ID / "file").write_bytes(CONTENT)
    return Upload(id=ID, name="a/b.jpg", size=len(CONTENT), type="image/jpeg", store="here")


async def test_all_ways_to_read(upload: Upload, tmp_path: Path) -> None:
    assert upload.path == tmp_path / ID / "file"
    assert await upload.read() == upload.read_bytes() == upload.path.read_bytes() == CONTENT
    assert b"".join([chunk async for chunk in upload.chunks(3)]) == CONTENT
    with upload.open() as file:
        assert file.read() == CONTENT


async def test_reading_is_bounded(upload: Upload) -> None:
    assert await upload.read(limit=10) == CONTENT
    with pytest.raises(LimitExceeded, match="chunks"):
        await upload.read(limit=9)
    with pytest.raises(LimitExceeded):
        upload.read_bytes(limit=9)


def test_json_there_and_back(upload: Upload, tmp_path: Path) -> None:
    text = upload.model_dump_json()
    assert str(tmp_path) not in text, "callers may see it, as a part of a result"
    again = Upload.model_validate_json(text)
    assert again == upload
    assert again.read_bytes() == CONTENT


def test_in_a_process_that_knows_nothing(upload: Upload) -> None:
    code = (
        "import pickle, sys\n"
        "upload = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(upload.read_bytes() + upload.name.encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(upload),
        capture_output=True,
        check=True,
    )
    assert done.stdout == CONTENT + b"a/b.jpg"


def test_of_a_store_that_is_not_known() -> None:
    upload = Upload(id=ID, name="a", size=1, type="a/b", store="nowhere")
    with pytest.raises(ConfigurationError, match="while the application runs"):
        upload.read_bytes()
