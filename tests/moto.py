"""moto's server for tests: one process for each that runs tests, started when first asked for."""

import atexit
import functools
import subprocess
import sys
from typing import Any

import httpx

from ringback.awslocal.moto import COUNTS, READY

REGION = "eu-central-1"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@functools.cache
def url() -> str:
    """Where it is. It ends with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ringback.awslocal.moto"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def stop() -> None:
        process.kill()
        process.communicate()

    atexit.register(stop)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY), line
    return line.removeprefix(READY).strip()


def options() -> dict[str, Any]:
    """What boto3's clients need to know of it."""
    return {"endpoint_url": url(), "region_name": REGION, **KEYS}


def environment() -> dict[str, str]:
    """The same for a program."""
    return {
        "AWS_ENDPOINT_URL": url(),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@functools.cache
def client(service: str) -> Any:
    """A client of boto3's."""
    import boto3

    return boto3.client(service, **options())  # type: ignore[call-overload]


def requests() -> dict[str, dict[str, float]]:
    """How many of each it has served, by service and action, since this was last asked; and the
    ``units`` that DynamoDB would bill.
    """
    counts: dict[str, dict[str, float]] = httpx.delete(url() + COUNTS).json()
    return counts


@functools.cache
def bucket() -> str:
    """A bucket of it for all tests."""
    name = "payloads-of-tests"
    client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name
