"""A stack that is deployed: what is in it, its logs, its dead letters, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ringback.errors import ConfigurationError, StoreUnavailable
from ringback.sam.queues import FAILURES

MISSING = 'This needs boto3: pip install "ringback[aws]".'
LOGS = "AWS::Logs::LogGroup"
QUEUE = "AWS::SQS::Queue"
LETTERS = "DeadLetters"
"""Ends the names of queues whose letters can go back."""
OVERLAP_MS = 10_000
"""Milliseconds that are read again when logs are followed: lines come late, and out of order."""
AT_ONCE = 1000
"""Objects in one request to delete them."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a log."""

    id: str
    at: float
    """Seconds since the epoch."""
    function: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Letters:
    """A queue of dead letters."""

    name: str
    url: str
    arn: str
    count: int
    returns: bool
    """Whether SQS knows which queue they came from."""


class Stack:
    """One stack, by its name."""

    def __init__(self, name: str, region: str | None = None, profile: str | None = None) -> None:
        """Raises ``ConfigurationError`` without boto3, or a region."""
        try:
            import boto3
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ConfigurationError(MISSING) from None
        self.name = name
        try:
            session: Any = boto3.Session(region_name=region, profile_name=profile)
        except BotoCoreError as error:
            raise ConfigurationError(f"{error}.") from None
        if session.region_name is None:
            raise ConfigurationError("Say which region: --region, or AWS_REGION.")
        self.region: str = session.region_name
        self._session = session
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
        return self._clients[service]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors of AWS in our words."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError:
            raise ConfigurationError(
                "AWS does not know who you are. Sign in: aws configure sso, aws sso login; or set "
                "AWS_PROFILE."
            ) from None
        except ClientError as error:
            told = error.response.get("Error", {}).get("Message", str(error))
            raise ConfigurationError(f"{self.name} in {self.region}: {told}") from None
        except BotoCoreError as error:
            raise StoreUnavailable(f"AWS cannot be reached: {error}") from None

    # What is in it

    def outputs(self) -> dict[str, str]:
        """What it says of itself: its URLs, for one."""
        with self._asking():
            found = self._client("cloudformation").describe_stacks(StackName=self.name)
        listed = found["Stacks"][0].get("Outputs", [])
        return {each["OutputKey"]: each["OutputValue"] for each in listed}

    def resources(self, kind: str) -> dict[str, str]:
        """Physical ids by logical ones, of resources of a type."""
        found: dict[str, str] = {}
        with self._asking():
            pages = self._client("cloudformation").get_paginator("list_stack_resources")
            for page in pages.paginate(StackName=self.name):
                for each in page["StackResourceSummaries"]:
                    if each["ResourceType"] == kind and each.get("PhysicalResourceId"):
                        found[each["LogicalResourceId"]] = each["PhysicalResourceId"]
        return found

    # Logs

    def logs(self, function: str | None = None) -> dict[str, str]:
        """Log groups by the functions whose they are. Raises ``ConfigurationError`` for none."""
        groups = {
            name.removesuffix("Logs").removesuffix("Function"): group
            for name, group in self.resources(LOGS).items()
        }
        if function is None:
            return groups
        wanted = function.removesuffix("Function").lower()
        chosen = {name: group for name, group in groups.items() if name.lower() == wanted}
        if not chosen:
            raise ConfigurationError(
                f"{self.name} has no function {function!r}. There are: {', '.join(groups)}."
            )
        return chosen

    def lines(self, groups: dict[str, str], since: float, pattern: str = "") -> list[Line]:
        """What was written since a time, in order."""
        found: list[Line] = []
        client = self._client("logs")
        for name, group in groups.items():
            with self._asking():
                pages = client.get_paginator("filter_log_events")
                for page in pages.paginate(
                    logGroupName=group, startTime=int(since * 1000), filterPattern=pattern
                ):
                    found += [
                        Line(
                            id=event["eventId"],
                            at=event["timestamp"] / 1000,
                            function=name,
                            text=event["message"].rstrip("\n"),
                        )
                        for event in page["events"]
                    ]
        return sorted(found, key=lambda line: (line.at, line.id))

    def tail(
        self, groups: dict[str, str], since: float, pattern: str = "", every: float = 2.0
    ) -> Iterator[Line]:
        """The same, and on and on, each line once."""
        seen: dict[str, float] = {}
        while True:
            for line in self.lines(groups, since, pattern):
                if line.id not in seen:
                    seen[line.id] = line.at
                    yield line
            since = max([since, *(at - OVERLAP_MS / 1000 for at in seen.values())])
            seen = {id: at for id, at in seen.items() if at >= since}
            time.sleep(every)

    # Dead letters

    def letters(self) -> list[Letters]:
        """The queues of dead letters, with how many are in each."""
        found = []
        for name, url in self.resources(QUEUE).items():
            if not name.endswith((LETTERS, FAILURES)):
                continue
            with self._asking():
                attributes = self._client("sqs").get_queue_attributes(
                    QueueUrl=url, AttributeNames=["QueueArn", "ApproximateNumberOfMessages"]
                )["Attributes"]
            found.append(
                Letters(
                    name=name,
                    url=url,
                    arn=attributes["QueueArn"],
                    count=int(attributes["ApproximateNumberOfMessages"]),
                    returns=name.startswith("Work"),
                )
            )
        return found

    def redrive(self, letters: Letters) -> None:
        """Have SQS move them back to where they came from."""
        with self._asking():
            self._client("sqs").start_message_move_task(SourceArn=letters.arn)

    # Its end

    def unprotect(self) -> Sequence[str]:
        """Let its tables be deleted; their names."""
        client = self._client("dynamodb")
        tables = list(self.resources("AWS::DynamoDB::Table").values())
        for table in tables:
            with self._asking():
                if client.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                    client.update_table(TableName=table, DeletionProtectionEnabled=False)
                    client.get_waiter("table_exists").wait(TableName=table)
        return tables

    def empty(self) -> dict[str, int]:
        """Delete what is in its buckets, for good; how many objects of each."""
        client = self._client("s3")
        emptied: dict[str, int] = {}
        for bucket in self.resources("AWS::S3::Bucket").values():
            emptied[bucket] = 0
            with self._asking():
                pages = client.get_paginator("list_object_versions")
                for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": AT_ONCE}):
                    listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                    objects = [
                        {"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed
                    ]
                    if objects:
                        client.delete_objects(
                            Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
                        )
                        emptied[bucket] += len(objects)
        return emptied

    def delete(self) -> None:
        """Delete the stack, and wait until it is gone."""
        client = self._client("cloudformation")
        with self._asking():
            found = client.describe_stacks(StackName=self.name)["Stacks"][0]
            client.delete_stack(StackName=found["StackId"])
            client.get_waiter("stack_delete_complete").wait(StackName=found["StackId"])
