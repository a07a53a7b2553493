"""The application that is served in these tests: a handler for each place to run.

The functions are of the module, so that a child process can import them; ``rb`` is for servers
in a process of their own, which take their settings from the environment.
"""

import asyncio
import hashlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from ringback import BlockingOperation, Operation, Ringback, Upload
from ringback.core.commands import Start
from ringback.service import Service


def facts(upload: Upload, data: bytes, how: str) -> dict[str, Any]:
    """What a handler found, for a test to compare with what it sent."""
    return {
        "how": how,
        "name": upload.name,
        "type": upload.type,
        "declared": upload.sha256,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "pid": os.getpid(),
    }


async def in_loop(op: Operation, upload: Upload) -> dict[str, Any]:
    await op.progress(0.25, "read")
    data = await upload.read()
    assert data == b"".join([chunk async for chunk in upload.chunks(1000)])
    return facts(upload, data, "loop")


def in_thread(op: BlockingOperation, upload: Upload) -> dict[str, Any]:
    with upload.open() as file:
        data = file.read()
    assert data == upload.path.read_bytes()
    return facts(upload, data, "thread")


def in_process(op: BlockingOperation, upload: Upload) -> dict[str, Any]:
    data = upload.read_bytes()
    again = Upload.model_validate_json(upload.model_dump_json())
    assert data == again.path.read_bytes()
    return facts(upload, data, "process")


async def photo(op: Operation, upload: Upload) -> str:
    return upload.name


async def slow(op: Operation, upload: Upload) -> str:
    await op.progress(0.5, "half way")
    await op.send(upload.size)
    await asyncio.sleep(0.3)
    await op.progress(1.0, "done")
    return "slow"


async def large(upload: Upload) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    async for chunk in upload.chunks():
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


seen: Counter[str] = Counter()


async def letter(upload: Upload) -> str:
    """Fails once for each upload, or twice, and works when it is redriven."""
    seen[upload.id] += 1
    if seen[upload.id] <= 1 + ("twice" in upload.name):
        raise ValueError("the first time")
    return (await upload.read()).decode()


async def nothing() -> None:
    """A task that has nothing to do with uploads."""


def application(**settings: Any) -> Ringback:
    """A fresh application with all the handlers."""
    rb = Ringback("uploads", **settings)
    rb.on_upload("loop/")(in_loop)
    rb.on_upload("thread/", run_in="thread")(in_thread)
    rb.on_upload("process/", run_in="process")(in_process)
    rb.on_upload("photos/", types=("image/*",), max_size=1000)(photo)
    rb.on_upload("photos/slow/", resumable=True)(slow)
    rb.on_upload("large/")(large)
    rb.on_upload("letters/", retries=0)(letter)
    rb.task(public=True)(nothing)
    return rb


def die_once(flag: Path) -> None:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def die_before_start(flag: Path) -> None:
    """Have this process killed, once, between joining the pieces and starting the handler."""
    apply = Service.apply

    async def applying(self: Service, state: Any, command: Any, **options: Any) -> Any:
        if isinstance(command, Start):
            die_once(flag)
        return await apply(self, state, command, **options)

    Service.apply = applying  # type: ignore[method-assign] # a fault that has to be made


if "DIE_BEFORE_START" in os.environ:
    die_before_start(Path(os.environ["DIE_BEFORE_START"]))

rb = application()
