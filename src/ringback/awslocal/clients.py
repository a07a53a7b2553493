"""The home's own requests to moto: boto3 in threads."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ringback.awslocal.model import Place
from ringback.awslocal.moto import UNCOUNTED
from ringback.errors import ConfigurationError

MISSING = 'This needs boto3: pip install "ringback[aws-local]"'
THREADS = 64
"""Each queue that is waited on takes one."""


class Clients:
    """boto3's clients, made at first use and shared."""

    def __init__(self, endpoint: str, place: Place) -> None:
        self.endpoint = endpoint
        self.place = place
        self._session = session(place)
        from botocore.config import Config

        self._config = Config(
            # On AWS nobody makes these requests, so nobody pays for them.
            user_agent_extra=UNCOUNTED,
            max_pool_connections=THREADS,
            retries={"total_max_attempts": 2},
            read_timeout=60,
            proxies={},
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws-local")
        self._making = threading.Lock()
        self._made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        with self._making:
            if service not in self._made:
                make: Any = self._session.client
                self._made[service] = make(service, endpoint_url=self.endpoint, config=self._config)
            return self._made[service]

    def now(self, service: str, operation: str, **arguments: Any) -> Any:
        """Ask in this thread."""
        return getattr(self.client(service), operation)(**arguments)

    async def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """Ask in another thread. Raises what boto3 raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self.now(service, operation, **arguments)
        )

    async def run(self, call: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Wait for nothing: a long poll ends with the server that it asks."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._made.values():
            client.close()


def session(place: Place) -> Any:
    """boto3's, which reads nothing of how this machine's user is known to AWS."""
    try:
        import boto3
        import botocore.session
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    unread = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    variables: Any = {name: (None, None, value, None) for name, value in unread.items()}
    return boto3.session.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto takes any
        region_name=place.region,
        botocore_session=botocore.session.Session(session_vars=variables),
    )


def surroundings() -> dict[str, str]:
    """Our environment variables without those of AWS: what stands for it needs no profile."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return ours | credentials()


def credentials() -> dict[str, str]:
    """For programs beside functions that shall talk to the same moto."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
