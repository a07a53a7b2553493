"""Uploads that go straight to S3: what their URLs let somebody do, and what becomes of it."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ringback.core.model import OperationState
from ringback.errors import RingbackError
from ringback.service import Service
from ringback.uploads import presigned
from ringback.uploads.presigned import Presigned
from ringback.uploads.record import Upload
from tests import moto
from tests.lambdas.cloud import KEYS
from tests.lambdas.events import http, s3
from tests.lambdas.test_outside import Home, home_of

DECLARED = {"name": "photo.png", "size": 3, "type": "image/png"}


class Bucket:
    """An application whose uploads are in a bucket, and one that is declared."""

    def __init__(self, home: Home, name: str) -> None:
        self.home = home
        self.name = name
        answer = home(http("POST", "/uploads", json.dumps(DECLARED)))
        assert answer["statusCode"] == 201, answer
        shown = json.loads(answer["body"])
        self.id, self.bearer = shown["id"], f"Bearer {shown['token']}"
        self.url = shown["upload"]["signed_url"]
        self.key = f"uploads/{self.id}/put"

    def put(self, content: bytes) -> None:
        assert httpx.put(self.url, content=content).status_code == 200

    def tell(self) -> None:
        self.home(s3(self.name, self.key))

    def state(self) -> Any:
        path = f"/operations/{self.id}"
        return json.loads(self.home(http("GET", path, authorization=self.bearer))["body"])

    def names(self) -> set[str]:
        """What there is of the upload."""
        listed = moto.client("s3").list_objects_v2(Bucket=self.name, Prefix=f"uploads/{self.id}/")
        return {each["Key"].rpartition("/")[2] for each in listed.get("Contents", ())}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in {**KEYS, **moto.environment(), "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    anew: Callable[[], Any] = presigned._credentials.__wrapped__
    monkeypatch.setattr(presigned, "_credentials", anew)
    name = moto.bucket()
    queues = {900: "https://sqs.example/work"}  # functions do the work, and are told of objects
    with home_of(tmp_path, uploads=f"s3://{name}/uploads", aws_queues=queues) as home:
        yield Bucket(home, name)


def test_an_upload_goes_straight_to_s3(bucket: Bucket) -> None:
    bucket.put(b"abc")
    bucket.tell()
    bucket.tell()
    assert bucket.state()["progress"]["message"].startswith("received")
    (record,) = bucket.home.accepted()
    assert len(record["sha256"]) == 64
    assert "put" not in bucket.names()


def test_the_url_is_for_the_declared_size(bucket: Bucket) -> None:
    query = parse_qs(urlsplit(bucket.url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_there_is_none_for_what_s3_does_not_take_at_once(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringback.uploads.uploads.LARGEST", DECLARED["size"])
    for size, signed in ((3, True), (4, False)):
        declared = json.dumps({**DECLARED, "size": size})
        shown = json.loads(bucket.home(http("POST", "/uploads", declared))["body"])
        assert ("signed_url" in shown["upload"]) is signed


def test_an_upload_of_another_size_is_to_be_sent_again(bucket: Bucket) -> None:
    bucket.put(b"four")
    bucket.tell()
    assert "sent again" in bucket.state()["progress"]["message"]
    assert bucket.names() == {"declared", "put"}, "it is not even copied"
    bucket.put(b"abc")
    bucket.tell()
    assert "sent again" not in bucket.state()["progress"]["message"]


def test_what_is_put_after_the_start_is_deleted(bucket: Bucket) -> None:
    bucket.put(b"abc")
    bucket.tell()
    bucket.put(b"xyz")
    assert "put" in bucket.names()
    bucket.tell()
    assert "put" not in bucket.names()
    (file,) = (
        moto.client("s3").get_object(Bucket=bucket.name, Key=f"uploads/{bucket.id}/{name}")["Body"]
        for name in bucket.names() - {"declared"}
    )
    assert file.read() == b"abc"


def test_what_is_put_while_it_ends_is_deleted(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Presigned.finish

    async def finish(
        self: Presigned, service: Service, state: OperationState, upload: Upload
    ) -> OperationState:
        await service.cancel(state)
        return await whole(self, service, state, upload)

    monkeypatch.setattr(Presigned, "finish", finish)
    bucket.put(b"abc")
    bucket.tell()
    assert bucket.state()["status"] == "cancelled"
    assert not bucket.names()


def test_a_handler_reads_what_was_checked(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is put while that is done, and told of to another function."""
    whole, whole_digest = Presigned.finish, Presigned._digest
    others: list[asyncio.Task[OperationState]] = []
    copied, started = asyncio.Event(), asyncio.Event()

    async def finish(
        self: Presigned, service: Service, state: OperationState, upload: Upload
    ) -> OperationState:
        async def digest(self: Presigned, name: str) -> str:
            found = await whole_digest(self, name)
            if others:
                copied.set()
                await started.wait()
                return found
            bucket.put(b"xyz")
            others.append(asyncio.create_task(whole(self, service, state, upload)))
            await copied.wait()
            return found

        monkeypatch.setattr(Presigned, "_digest", digest)
        after = await whole(self, service, state, upload)
        started.set()
        with contextlib.suppress(RingbackError):
            await others[0]
        return after

    monkeypatch.setattr(Presigned, "finish", finish)
    bucket.put(b"abc")
    bucket.tell()
    (record,) = bucket.home.accepted()
    key = f"uploads/{Upload.model_validate(record).key}"
    read = moto.client("s3").get_object(Bucket=bucket.name, Key=key)["Body"].read()
    assert hashlib.sha256(read).hexdigest() == record["sha256"]
    assert read == b"abc"
    assert len(bucket.names()) == 2, "what it was declared by, and the file"
