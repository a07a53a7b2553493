"""DynamoDB, S3 and SQS as the engine calls them: botocore in threads, its errors as ours.

What passes (throttling, a connection that failed) is tried again by botocore, with growing pauses
and a bound; then it is ``StoreUnavailable``. What met a transaction is tried again here, be it one
itself or a single write: that is no refusal, and says nothing about the conditions.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
import secrets
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ringback.errors import ConfigurationError, PayloadTooLarge, StoreUnavailable

MISSING = 'This needs botocore: pip install "ringback[aws]"'
THREADS = 32
"""Requests under way at once."""
TRIES = 5
"""Of one request, with pauses of up to 1, 2, 4, 8 s between them."""
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
CONFLICTS = 12
"""Tries of a transaction that meets others."""
CONFLICT_PAUSE = 0.02
"""Seconds before the second of them, at most; each further one may wait twice as long, up to
fifty times that."""
FOUND_WITHIN = 5.0
"""Seconds for which it is looked whether what was not answered was written."""
RETRY_AFTER = 2
BATCH_GET = 100
BATCH_WRITE = 25
MAX_TRANSACTION = 100
"""Items, by DynamoDB's own bound."""
TOO_LARGE = "Item size"
"""How DynamoDB begins to say that an item is too large."""

Item = dict[str, Any]
"""An item as DynamoDB's JSON has it: each value in a map that says its type."""
Key = tuple[str, str]


_making = threading.Lock()
"""Botocore's sessions are not for several threads at once."""


@functools.cache
def _session() -> Any:
    """One for the process: it reads what it knows of each service once, which takes long."""
    from botocore.session import get_session

    told = logging.getLogger("botocore")
    if told.level == logging.NOTSET:  # where it found what it uses is not for every start
        told.setLevel(logging.WARNING)
    return get_session()


class Cancelled(Exception):
    """A transaction, or a conditional write, was refused: nothing was written.

    ``reasons`` has for each item of it the item as it stands (empty if there is none), or None
    where the condition held.
    """

    def __init__(self, reasons: Sequence[Item | None]) -> None:
        super().__init__("a condition does not hold")
        self.reasons = tuple(reasons)


class NotUnderstood(RuntimeError):
    """AWS refused a request for what is in it: nothing was written, nor would be another time."""


class NoObject(RuntimeError):
    """S3 has no such object."""


class Client:
    """One table, a bucket and some queues. ``async with`` it."""

    def __init__(self, table: str, options: Mapping[str, Any] | None = None) -> None:
        """``options`` are of botocore's ``create_client``, for what its environment says else."""
        self.table = table
        self._options = dict(options or {})
        self._services: dict[str, Any] = {}
        self._threads: ThreadPoolExecutor | None = None
        self.requests: Counter[str] = Counter()
        """What was sent, by action; what botocore tried again counts again."""

    async def __aenter__(self) -> Client:
        self._threads = ThreadPoolExecutor(THREADS, "ringback-aws")
        return self

    async def __aexit__(self, *exc: object) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        for service in self._services.values():
            service.close()
        self._services.clear()

    @property
    def is_open(self) -> bool:
        return self._threads is not None

    async def call(self, service: str, action: str, **parameters: Any) -> Any:
        """One request; of what has a body, ``_read`` names it, and it is the answer.

        Raises ``Cancelled``, ``StoreUnavailable``, ``PayloadTooLarge`` and ``ConfigurationError``.
        """
        threads = self._threads
        if threads is None:
            raise StoreUnavailable(
                "The store is not open: this server is starting or stopping.",
                retry_after=RETRY_AFTER,
            )
        loop = asyncio.get_running_loop()
        for tried in range(CONFLICTS):
            try:
                return await loop.run_in_executor(threads, self._call, service, action, parameters)
            except _Met as met:
                if "ClientRequestToken" in parameters and not met.under_way:
                    parameters["ClientRequestToken"] = _token()
                await pause(tried)
        raise busy()

    def _call(self, service: str, action: str, parameters: Mapping[str, Any]) -> Any:
        try:
            import botocore.exceptions as faults
        except ImportError as error:
            raise ConfigurationError(MISSING) from error
        parameters = dict(parameters)
        body = parameters.pop("_read", None)
        try:
            answer = getattr(self._service(service), action)(**parameters)
            return answer[body].read() if body else answer
        except faults.ClientError as error:
            raise _translated(error) from error
        except (
            faults.ConfigParseError,
            faults.NoCredentialsError,
            faults.NoRegionError,
            faults.PartialCredentialsError,
            faults.ProfileNotFound,
        ) as error:
            raise ConfigurationError(
                f"AWS cannot be asked: {str(error).rstrip('.')}. Set AWS_REGION, and credentials "
                "as boto3 reads them."
            ) from error
        except (faults.BotoCoreError, OSError) as error:
            raise StoreUnavailable(
                f"{service} cannot be reached ({error}). Try again after Retry-After.",
                retry_after=RETRY_AFTER,
            ) from error

    def _service(self, name: str) -> Any:
        found = self._services.get(name)
        if found is not None:
            return found
        with _making:
            if name not in self._services:
                self._services[name] = self._make(name)
            return self._services[name]

    def _make(self, name: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=THREADS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            tcp_keepalive=True,
        )
        options = dict(self._options)
        region = os.environ.get("AWS_REGION")  # as in functions; botocore reads another alone
        if region and not options.get("region_name"):
            options["region_name"] = region
        service = _session().create_client(name, config=config, **options)
        service.meta.events.register("before-send", self._count)
        return service

    def _count(self, event_name: str, **_: object) -> None:
        self.requests[event_name.rpartition(".")[2]] += 1

    # DynamoDB

    async def dynamodb(self, action: str, **parameters: Any) -> Any:
        """A request about the table."""
        return await self.call("dynamodb", action, TableName=self.table, **parameters)

    async def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """An item, as it is now."""
        answer = await self.dynamodb("get_item", Key=key(pk, sk), ConsistentRead=consistent)
        found: Item | None = answer.get("Item")
        return found

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Those of many items that there are, as they are now; no key twice."""
        found: dict[Key, Item] = {}
        parts = [keys[at : at + BATCH_GET] for at in range(0, len(keys), BATCH_GET)]
        for part in await asyncio.gather(*[self._get_some(part) for part in parts]):
            found.update(part)
        return found

    async def _get_some(self, keys: Sequence[Key]) -> dict[Key, Item]:
        found: dict[Key, Item] = {}
        wanted: Any = [key(*each) for each in keys]
        for tried in range(CONFLICTS):
            request = {self.table: {"Keys": wanted, "ConsistentRead": True}}
            answer = await self.call("dynamodb", "batch_get_item", RequestItems=request)
            for item in answer["Responses"].get(self.table, ()):
                found[key_of(item)] = item
            wanted = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys")
            if not wanted:  # those of more than 16 MB are given in several answers
                return found
            await pause(tried)
        raise busy()

    async def query(self, **parameters: Any) -> list[Item]:
        """All items of a query, page after page; of ``Limit``, so many at most."""
        found: list[Item] = []
        limit = parameters.get("Limit")
        while True:
            answer = await self.dynamodb("query", **parameters)
            found += answer.get("Items", ())
            start = answer.get("LastEvaluatedKey")
            if not start or (limit is not None and len(found) >= limit):
                return found
            parameters["ExclusiveStartKey"] = start
            if limit is not None:
                parameters["Limit"] = limit - len(found)

    async def put(self, item: Item, condition: Mapping[str, Any] | None = None) -> None:
        """Store an item. Raises ``Cancelled`` if the condition does not hold."""
        await self.dynamodb("put_item", Item=item, **_refusing(condition))

    async def update(self, pk: str, sk: str, change: Mapping[str, Any]) -> Item:
        """Change an item; it, as it is then. Raises ``Cancelled``."""
        answer = await self.dynamodb(
            "update_item", Key=key(pk, sk), ReturnValues="ALL_NEW", **_refusing(change)
        )
        attributes: Item = answer.get("Attributes", {})
        return attributes

    async def delete(self, pk: str, sk: str, condition: Mapping[str, Any] | None = None) -> None:
        """Delete an item. Raises ``Cancelled`` if the condition does not hold."""
        await self.dynamodb("delete_item", Key=key(pk, sk), **_refusing(condition))

    async def delete_all(self, keys: Sequence[Key]) -> None:
        """Delete many items, of which each may be gone already."""
        for at in range(0, len(keys), BATCH_WRITE):
            wanted: Any = [
                {"DeleteRequest": {"Key": key(*each)}} for each in keys[at : at + BATCH_WRITE]
            ]
            for tried in range(CONFLICTS):
                answer = await self.call(
                    "dynamodb", "batch_write_item", RequestItems={self.table: wanted}
                )
                wanted = answer.get("UnprocessedItems", {}).get(self.table)
                if not wanted:
                    break
                await pause(tried)
            else:
                raise busy()

    async def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Write all or nothing. Raises ``Cancelled``.

        ``writes`` are DynamoDB's, each without the table's name. One write alone is no transaction,
        which would cost twice as much.
        """
        items = [
            {verb: {"TableName": self.table, **_refusing(what)} for verb, what in write.items()}
            for write in writes
        ]
        if len(items) == 1:
            ((verb, what),) = items[0].items()
            actions = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
            await self.call("dynamodb", actions[verb], **what)
            return
        await self.call(
            "dynamodb", "transact_write_items", TransactItems=items, ClientRequestToken=_token()
        )

    async def find(self, write: Mapping[str, Any]) -> Item:
        """What there is in the place of a write of which no answer came; empty if there is
        nothing, or that cannot be found out either.
        """
        (what,) = write.values()
        try:
            looking = self.get(*key_of(what.get("Key") or what["Item"]))
            return await asyncio.wait_for(looking, FOUND_WITHIN) or {}
        except (StoreUnavailable, TimeoutError):
            return {}


class _Met(Exception):
    """What was to be written is part of a transaction that is under way.

    ``under_way``: of this very one, whose answer was lost. It is asked for again by its own token:
    by another it would be refused for what it wrote itself.
    """

    def __init__(self, *, under_way: bool = False) -> None:
        super().__init__("met a transaction")
        self.under_way = under_way


def _token() -> str:
    return secrets.token_hex(16)


def key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def key_of(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def busy() -> StoreUnavailable:
    return StoreUnavailable(
        "The table does not keep up with what is asked of it. Try again after Retry-After.",
        retry_after=RETRY_AFTER,
    )


async def pause(tried: int) -> None:
    """Wait before another try, for a random while that grows."""
    longest = CONFLICT_PAUSE * min(2**tried, 50)
    await asyncio.sleep(random.random() * longest)  # noqa: S311 - so that they meet no more


def _refusing(what: Mapping[str, Any] | None) -> dict[str, Any]:
    if not what or "ConditionExpression" not in what:
        return dict(what or {})
    return {**what, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def _translated(error: Any) -> Exception:
    answer = error.response
    told = [answer.get("Error", {}), *answer.get("CancellationReasons", ())]
    if any(TOO_LARGE in (each.get("Message") or "") for each in told):
        return PayloadTooLarge(
            "An item of DynamoDB has 400 KB at most. Set aws_bucket, so that what is larger "
            "stands in S3."
        )
    code = answer.get("Error", {}).get("Code", "")
    match code:
        case "ConditionalCheckFailedException":
            return Cancelled([answer.get("Item", {})])
        case "TransactionCanceledException":
            reasons = answer.get("CancellationReasons", ())
            codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
            if codes == {"ConditionalCheckFailed"}:
                return Cancelled(
                    [
                        reason.get("Item", {}) if reason["Code"] != "None" else None
                        for reason in reasons
                    ]
                )
            if "ConditionalCheckFailed" in codes or "TransactionConflict" in codes:
                return _Met()  # tried again, each condition counts that does not hold then
            if codes & {"ProvisionedThroughputExceeded", "ThrottlingError"}:
                return _Met()
        case "TransactionConflictException":
            return _Met()
        case "TransactionInProgressException":
            return _Met(under_way=True)
        case "ResourceNotFoundException" | "NoSuchBucket":
            return ConfigurationError(
                f"AWS has no such table, bucket or stream ({error}). "
                "`ringback aws deploy` makes them.",
                missing=code,
            )
        case "NoSuchKey":
            return NoObject(f"An object is missing in S3: {error}")
        case "UnrecognizedClientException" | "AccessDeniedException" | "AccessDenied":
            return ConfigurationError(f"AWS refuses: {error}")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    passing = status >= 500 or "Throttl" in code or "Exceeded" in code or "SlowDown" in code
    if passing or status == 429:
        return StoreUnavailable(
            f"AWS cannot answer ({code}). Try again after Retry-After.", retry_after=RETRY_AFTER
        )
    return NotUnderstood(f"AWS did not understand: {error}")
