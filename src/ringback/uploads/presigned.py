"""Uploads that a client puts into S3 itself, by a signed URL: they need not pass through here.

What the URL lets somebody write is an object of its own, which is copied before it is looked at,
each time to another: so the bytes a handler reads are those that were checked, whoever still has
the URL, and however many functions are told of what is put.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ringback.core.commands import Start
from ringback.core.model import OperationState
from ringback.errors import ChecksumMismatch, MalformedRequest, TransitionError, UploadEnded
from ringback.service import Service
from ringback.uploads.finish import amount, tell
from ringback.uploads.pieces import new_file
from ringback.uploads.record import Upload
from ringback.uploads.store import Store, reaching

if TYPE_CHECKING:
    from obstore.store import S3Store

PUT = "put"
"""The name of the object below the upload's id that a URL is signed for."""
LONGEST = 7 * 86400 - 60
"""Seconds that a signature is good for at most (SigV4); less where its credentials end sooner."""
LARGEST = 5 * 1024**3
"""Bytes that S3 takes, and copies, in one request at most."""
READ = 1024 * 1024
"""Bytes read and hashed at once."""


class Presigned:
    """Signed URLs of one store, and what came by them."""

    def __init__(self, store: S3Store, bucket: str, prefix: str) -> None:
        self._objects = store
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def of(cls, where: str, store: Store) -> Presigned | None:
        """Those of the store at an address; None where it is not S3."""
        from obstore.store import S3Store

        if not isinstance(store.objects, S3Store):
            return None
        parts = urlsplit(where)
        return cls(store.objects, parts.netloc, parts.path.strip("/"))

    async def url(self, upload: Upload, seconds: float) -> str:
        """Where the bytes of an upload can be put for a while: as many as were declared."""
        import obstore

        until = timedelta(seconds=int(max(1, min(LONGEST, seconds))))
        with reaching():
            signed: str = await obstore.sign_async(
                self._objects, "PUT", f"{upload.id}/{PUT}", until
            )
        return await asyncio.to_thread(_bound, signed, upload.size)

    def upload_of(self, bucket: str, key: str) -> str | None:
        """The upload that an object is of, if it was put by a signed URL."""
        before = f"{self._prefix}/" if self._prefix else ""
        if bucket != self._bucket or not key.startswith(before):
            return None
        upload, slash, name = key[len(before) :].partition("/")
        return upload if slash and name == PUT else None

    async def finish(
        self, service: Service, state: OperationState, upload: Upload
    ) -> OperationState:
        """Check what was put, and start the operation. Raises ``ChecksumMismatch`` and
        ``MalformedRequest``, after which it may be put anew, and ``UploadEnded``.
        """
        # Copied to one name, the copy of another function would take the place of what was checked.
        upload = upload.model_copy(update={"file": new_file()})
        put, name = f"{upload.id}/{PUT}", upload.key
        with reaching():
            try:
                size = (await self._objects.head_async(put))["size"]
                if size == upload.size:
                    await self._objects.copy_async(put, name)
                    # It may have been put anew in between.
                    size = (await self._objects.head_async(name))["size"]
            except FileNotFoundError:
                return await service.engine.load(upload.id)  # another was faster
        if size != upload.size:
            why = f"the file has {amount(size)} instead of {amount(upload.size)}"
            await self._delete(name)
            await tell(service, state, 0.0, f"{why}: it is to be sent again")
            raise MalformedRequest(f"{why[0].upper()}{why[1:]}. Put it again.", offset=0)
        state = await tell(service, state, 1.0, f"received {amount(size)}, checking")
        digest = await self._digest(name)
        if upload.sha256 and upload.sha256 != digest:
            await self._delete(name)
            await tell(service, state, 0.0, "the checksum is wrong: the file is to be sent again")
            raise ChecksumMismatch(declared=upload.sha256, received=digest, offset=0)
        record = upload.model_copy(update={"sha256": digest}).model_dump_json().encode()
        try:
            state = await service.apply(state, Start(record))
        except TransitionError:
            await self._delete(name)
            raise UploadEnded(operation=upload.id) from None
        if state.input != record:  # another function was faster, with a copy of its own
            await self._delete(name)
        await self.drop(upload.id)
        return state

    async def drop(self, upload: str) -> None:
        """Delete what was put, as it is not looked at any more."""
        await self._delete(f"{upload}/{PUT}")

    async def _delete(self, name: str) -> None:
        with reaching(), contextlib.suppress(FileNotFoundError):
            await self._objects.delete_async(name)

    async def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with reaching():
            found = await self._objects.get_async(name)
            async for chunk in found.stream(min_chunk_size=READ):
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()


@functools.cache
def _credentials() -> Any:
    """Those of this process, which renew themselves; None where botocore has none."""
    try:
        from botocore.session import get_session
    except ImportError:
        return None
    return get_session().get_credentials()


def _bound(url: str, size: int) -> str:
    """The same URL for a body of a size and no other: obstore signs no header. Where its signature
    is not botocore's to make, it stays as it is.
    """
    given = parse_qs(urlsplit(url).query)
    found = _credentials()
    keys = found and found.get_frozen_credentials()
    who, _, scope = given["X-Amz-Credential"][0].partition("/")
    if not keys or keys.access_key != who:
        return url
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    region, seconds = scope.split("/")[1], int(given["X-Amz-Expires"][0])
    headers = {"Content-Length": str(size)}
    request = AWSRequest("PUT", url.partition("?")[0], headers=headers)
    S3SigV4QueryAuth(keys, "s3", region, expires=seconds).add_auth(request)
    return str(request.url)
