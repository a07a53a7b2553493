"""A function's process never outlives the home, however that ends."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.awslocal.waiting import until

HOME = """
    import asyncio, pathlib
    from ringback.awslocal.model import Function
    from ringback.awslocal.runtime.functions import Functions
    from ringback.awslocal.runtime.variables import Surroundings

    async def main():
        function = Function(
            name="F", function_name="f", arn="arn:aws:lambda:us-east-1:123456789012:function:f",
            handler="app.handler", runtime="python3.13", code=pathlib.Path.cwd(), timeout=600.0,
        )
        functions = Functions({"F": function}, Surroundings(), concurrency=1, watch=False)
        await functions.start()
        await functions.invoke("F", {})

    asyncio.run(main())
"""
BUSY = """
    import os, pathlib, subprocess, time

    def handler(event, context):
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path("begun").write_text(f"{os.getpid()} {child.pid}")
        pathlib.Path("begun").rename("busy")
        while True:
            time.sleep(0.01)
"""


def lives(process: int) -> bool:
    """Whether a process, of which we are not the parent, does anything yet."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
async def test_a_handler_at_work_ends_with_a_home_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(BUSY))
    home = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(HOME), cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    busy = tmp_path / "busy"
    try:
        await until(lambda: busy.exists() or home.returncode is not None)
        processes = [int(each) for each in busy.read_text().split()]
        assert all(map(lives, processes))
    finally:
        if home.returncode is None:
            home.kill()
        await home.wait()
    await until(lambda: not any(map(lives, processes)))
