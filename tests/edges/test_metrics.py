"""`GET /metrics`, read by Prometheus's own parsers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.edges.application import problem_of
from tests.edges.application import served as edges
from tests.edges.topics.application import PATHS, Source, publish, served
from tests.security.keys import SECRET, bearer
from tests.serving import until

Samples = dict[tuple[str, str], float]


async def measured(http: httpx.AsyncClient) -> Samples:
    """Each sample by its name and the values of its labels."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_what_is_published_and_followed_is_counted(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        before = await measured(http)
        for transport in ("websocket", "sse", "mercure"):
            assert before["ringback_connections", transport] == 0
        async with Source(http.base_url, "log/a") as one, Source(http.base_url, "log/+") as two:
            await until(lambda: one.parser.last_id and two.parser.last_id)
            await publish(http, "log/a", 1, 2, 3)
            await publish(http, "now/a", 4)
            await one.until(3)
            await two.until(3)
            during = await measured(http)
        assert during["ringback_connections", "sse"] == 2
        assert during["ringback_followers", ""] == 2
        assert during["ringback_messages_published_total", "durable"] == 3
        assert during["ringback_messages_published_total", "ephemeral"] == 1
        assert during["ringback_messages_delivered_total", ""] == 6
        assert during["ringback_store_up", ""] == 1
        assert during["process_cpu_seconds_total", ""] > 0

        async def gone() -> bool:
            return not (await measured(http))["ringback_connections", "sse"]

        await until(gone)


async def test_what_waits_to_be_run_is_counted_by_its_task(data: Path) -> None:
    async with edges(data, workers=0) as caller:
        for _ in range(3):
            await caller.submit("double", {"n": 1})
        assert (await measured(caller.http))["ringback_operations_queued", "double"] == 3


async def test_a_store_that_cannot_be_read_is_told_and_the_rest_is_there(data: Path) -> None:
    async with served(data) as (rb, http):
        await publish(http, "now/a", 1)
        await rb.started.service.engine.__aexit__(None, None, None)
        found = await measured(http)
        assert found["ringback_store_up", ""] == 0
        assert found["ringback_messages_published_total", "ephemeral"] == 1
        assert not any(name == "ringback_operations_queued" for name, _ in found)


async def test_openmetrics_for_who_asks_for_it(data: Path) -> None:
    async with edges(data) as caller:
        accept = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"}
        answer = await caller.http.get("/metrics", headers=accept)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        read: Callable[[str], Iterable[Metric]] = openmetrics.text_string_to_metric_families
        names = {each.name for each in read(answer.text)}
        assert {"ringback_connections", "ringback_messages_published"} <= names


@pytest.mark.parametrize("version", ['"0.0.4"', "latest", "", "1..0"])
async def test_a_version_that_is_no_number(data: Path, version: str) -> None:
    async with edges(data) as caller:
        for kind in ("text/plain", "application/openmetrics-text"):
            accept = {"Accept": f"{kind};version={version}"}
            answer = await caller.http.get("/metrics", headers=accept)
            assert answer.status_code == 200, answer.text
            assert "ringback_connections" in answer.text


async def test_only_who_watches_over_the_server_may(data: Path) -> None:
    async with edges(data, jwt_secret=SECRET) as caller:
        answer = await caller.http.get("/metrics")
        assert "ringback:metrics" in problem_of(answer, 401, "unauthenticated")["detail"]
        answer = await caller.http.get("/metrics", headers={"Authorization": bearer("ann")})
        problem_of(answer, 403, "forbidden")
        for scope in ("ringback:metrics", "other ringback:admin"):
            headers = {"Authorization": bearer("watcher", scope=scope)}
            assert (await caller.http.get("/metrics", headers=headers)).status_code == 200
        headers = {"Authorization": bearer("watcher", scope="ringback:metrics")}
        body = {"subject": "ann"}
        answer = await caller.http.post("/revocations", json=body, headers=headers)
        problem_of(answer, 403, "forbidden")


async def test_without_the_package_it_says_what_to_install(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "ringback.edges.http.exposition", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with edges(data) as caller:
        answer = await caller.http.get("/metrics")
        assert "ringback[metrics]" in problem_of(answer, 404, "not-found")["detail"]
