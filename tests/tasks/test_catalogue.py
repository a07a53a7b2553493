"""The catalogue: what another process learns of an application's tasks."""

from pathlib import Path

import msgspec
import pytest
from pydantic_core import core_schema

from ringback import CloudEvent, Ringback
from ringback.core.model import Policy
from ringback.errors import ConfigurationError, MalformedRequest, UnknownTask
from ringback.tasks import catalogue
from ringback.tasks.inputs import validate
from ringback.tasks.registry import Registry


class Odd:
    """What has no JSON Schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: cls())


def application() -> Ringback:
    rb = Ringback("shop")

    @rb.task(retries=7, lease=5, timeout=60, priority=3, idempotency_key=True)
    async def order(article: str, count: int = 1) -> list[int]:
        """Order an article."""
        return []

    @rb.task(concurrency_per_key=1, key=lambda article: article)
    async def keyed(article: str) -> None: ...

    @rb.task(concurrency_per_key=1)
    async def by_caller(article: str) -> None: ...

    @rb.task
    async def odd(value: Odd) -> None: ...

    @rb.on("order.*")
    async def react(event: CloudEvent) -> None: ...

    return rb


def test_round_trip() -> None:
    rb = application()
    read = catalogue.read(catalogue.write(rb.registry))
    assert list(read.tasks) == ["order", "keyed", "by_caller", "odd"], "and no handlers"
    for name, task in read.tasks.items():
        original = rb.registry.tasks[name]
        assert task.policy == original.policy
        assert task.priority == original.priority
        assert task.idempotency_required == original.idempotency_required
        assert task.description == original.description
    assert read.tasks["order"].policy.max_attempts == 8


def test_it_describes_input_and_result() -> None:
    entries = {entry["name"]: entry for entry in msgspec.json.decode(_written())}
    assert entries["order"]["description"] == "Order an article."
    assert entries["order"]["schema"]["required"] == ["article"]
    assert entries["order"]["result_schema"] == {"items": {"type": "integer"}, "type": "array"}
    assert entries["odd"]["schema"] == {}, "a type without a schema does not stop the start"


def test_input_is_taken_unchecked_if_it_is_json() -> None:
    task = _read().submitted("order")
    assert validate(task, b'{"anything": [1]}') == {"anything": [1]}
    with pytest.raises(MalformedRequest):
        validate(task, b"{")


def test_near_names_are_known() -> None:
    with pytest.raises(UnknownTask) as caught:
        _read().submitted("ordre")
    near = caught.value.fields["near"]
    assert isinstance(near, list)
    assert "order" in near


def test_a_key_of_the_application_cannot_be_made() -> None:
    read = _read()
    assert read.submitted("by_caller").limit_key({}, "alice") == "alice"
    assert read.submitted("order").limit_key({}, "alice") is None
    with pytest.raises(ConfigurationError, match="--app"):
        read.submitted("keyed").limit_key({}, "alice")


@pytest.mark.parametrize("other", [b"{}", b"[1]", b"x", b'[{"name": 1}]'])
def test_another_versions_catalogue_is_refused(other: bytes) -> None:
    with pytest.raises(ConfigurationError, match="--app"):
        catalogue.read(other)


def test_an_older_catalogue_is_read() -> None:
    """Fields that were added since have their defaults."""
    older = msgspec.json.encode([{"name": "order", "policy": Policy()}])
    assert catalogue.read(older).submitted("order").policy == Policy()


async def test_an_application_records_it_when_it_starts(data: Path) -> None:
    rb = application()
    rb.configure(data=data)
    async with rb.running(worker=False) as running:
        assert await running.service.engine.fact(catalogue.FACT) == _written()


def _written() -> bytes:
    return catalogue.write(application().registry)


def _read() -> Registry:
    return catalogue.read(_written())
