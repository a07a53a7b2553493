"""What a function needs installed: less than a server does, and loaded only when it is used."""

import json
import subprocess
import sys
from pathlib import Path

from ringback.sam.build import NOT_THERE
from tests import moto
from tests.lambdas.events import http
from tests.lambdas.table import Table

PROGRAM = """
import json, sys
for name in {missing!r}:
    sys.modules[name] = None  # not installed
from ringback import Ringback
rb = Ringback("shop")

@rb.task
async def double(x: int) -> int:
    return 2 * x

handler = rb.lambda_handler()
loaded = [name for name in ("botocore", "fastapi") if name in sys.modules]
answer = handler({event!r})
print(json.dumps([loaded, answer["statusCode"]]))
"""


def test_accepts_without_what_functions_leave_out(tmp_path: Path) -> None:
    missing = [*NOT_THERE, "obstore", "joserfc", "cryptography", "httpx", "boto3"]
    event = http("POST", "/tasks/double", '{"x": 2}')
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(missing=missing, event=event)],
        env={**moto.environment(), "RINGBACK_ENGINE": f"dynamodb:{Table().name}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], 202]
