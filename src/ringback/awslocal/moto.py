"""moto's server, mended where it is further from AWS than a home may be.

moto serves requests in threads and checks conditions without a lock: here requests to DynamoDB are
served one at a time, so that conditions and transactions are atomic. Its transactions copy the
whole table for each of their items and, when one fails, put the copy in the table's place, where
no stream's iterator finds it: here only the items that a transaction names are kept, and put back.

Every request is counted by service and action: ``GET /_requests`` answers
``{"dynamodb": {"PutItem": 3}}``, ``DELETE /_requests`` begins anew. Beside the services stand the
``units`` that DynamoDB would bill: ``read``, ``write``, and of the latter ``index``.

``python -m ringback.awslocal.moto [--port N] [--expire SECONDS]`` prints ``ready URL`` and serves
until its standard input ends: so it never outlives whoever started it. With ``--expire`` a table's
time to live is looked after.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import copy
import functools
import io
import json
import logging
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from ringback.awslocal.moto_expiry import expire
from ringback.awslocal.moto_streams import STREAM, Streams
from ringback.awslocal.moto_units import READS, WRITES, Meter
from ringback.awslocal.moto_updates import quicken
from ringback.errors import ConfigurationError

MISSING = 'This needs moto: pip install "ringback[aws-local]"'
READY = "ready "
"""What the program prints before its URL."""
COUNTS = "/_requests"
"""Where the requests that were counted are read."""
UNCOUNTED = "ringback-local"
"""In the user agent of requests that on AWS nobody makes, and that are not counted."""

UNITS = "units"
"""What is billed of requests to DynamoDB, beside how many there were of each service."""

READING = ("BatchGet", "Describe", "Get", "List", "Query", "Scan")
"""How DynamoDB's actions begin that change nothing."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Counting:
    """A WSGI application around another: counts, and serves DynamoDB's requests one at a time."""

    def __init__(self, inner: Wsgi) -> None:
        self._inner = inner
        self._one_at_a_time = threading.Lock()
        self._counting = threading.Lock()
        self._requests: defaultdict[str, dict[str, float]] = defaultdict(lambda: defaultdict(int))
        self._streams = Streams(self._one_at_a_time)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == COUNTS:
            return self._answer(environ, start_response)
        if environ.get("PATH_INFO") == STREAM:
            return _json(self._streams.answer(environ.get("QUERY_STRING", "")), start_response)
        service, action = named(environ)
        counted = UNCOUNTED not in environ.get("HTTP_USER_AGENT", "")
        if counted:
            self._count(service, {action: 1})
        if service != "dynamodb":
            return self._inner(environ, start_response)
        with self._one_at_a_time:
            meter = Meter(action, _body(environ)) if counted and action in READS | WRITES else None
            made = list(self._inner(environ, start_response))
            if meter is not None:
                self._count(UNITS, meter.used(b"".join(made)))
        if not action.startswith(READING):
            self._streams.changed()
        return made

    def _count(self, service: str, more: Mapping[str, float]) -> None:
        with self._counting:
            for name, each in more.items():
                self._requests[service][name] += each

    def expire(self, every: float) -> None:
        """Delete, every so many seconds, what a table's time to live is over for."""
        expire(self._one_at_a_time, self._streams.changed, every=every)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with self._counting:
            body = json.dumps(self._requests).encode()
            if environ["REQUEST_METHOD"] == "DELETE":
                self._requests.clear()
        return _json(body, start_response)


def _json(body: bytes, start_response: StartResponse) -> Iterable[bytes]:
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def named(environ: Environ) -> tuple[str, str]:
    """The service that a request was signed for, and its action."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    parts = scope.split("/")
    service = parts[3].lower() if len(parts) > 3 else "unsigned"
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return service, target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return service, parse_qs(_body(environ).decode()).get("Action", ["unknown"])[0]
    kind = "Object" if environ.get("PATH_INFO", "").strip("/").count("/") else "Bucket"
    return service, environ["REQUEST_METHOD"].capitalize() + (kind if service == "s3" else "")


def _body(environ: Environ) -> bytes:
    """What is asked, which is left to be read."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def mend() -> None:
    """Have a failed transaction put back what it changed, and nothing else, as an update that would
    make an item too large; and leave out what
    takes most of moto's time: to look for its own modules on the disk for each request, to look at
    all items for those of one partition, and at the service's model for each value of an answer.
    """
    from moto import backends
    from moto.core.serialize import BaseJSONSerializer
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: iter(modules)
    responses: Any = import_module("moto.core.responses")
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    original: Any = DynamoDBBackend.transact_write_items

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        before = [_Before(self, item) for item in transact_items]
        lengths = [each.stream_length for each in before]
        try:
            with _uncopied(Table):
                original(self, transact_items)
        except BaseException:
            for each, length in zip(before, lengths, strict=True):
                each.restore(length)
            raise

    update: Any = DynamoDBBackend.update_item

    def update_item(
        self: Any, table_name: str, key: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        table = self.get_table(table_name)
        found = table.get_item(*self.get_keys_value(table, key))
        before = None if found is None else dict(found.attrs)
        try:
            return update(self, table_name, key, *more, **options)
        except BaseException:
            if before is not None:
                dict.clear(found.attrs)
                dict.update(found.attrs, before)
            raise

    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]
    DynamoDBBackend.update_item = update_item  # type: ignore[method-assign]

    serialize: Any = BaseJSONSerializer._serialize_type_structure
    query: Any = Table.query

    def serialize_type_structure(self: Any, done: Any, given: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(given, dict) and len(given) == 1:
            done[key] = _attribute(given)
        else:
            serialize(self, done, given, shape, key)

    def query_partition(self: Any, hash_key: Any, *more: Any, **options: Any) -> Any:
        index = more[6] if len(more) > 6 else options.get("index_name")
        if index is None and self.range_key_attr:
            self.all_items = lambda: iter(self.items.get(hash_key, {}).values())
            try:
                return query(self, hash_key, *more, **options)
            finally:
                del self.all_items
        return query(self, hash_key, *more, **options)

    for kind, name, mended in (
        (BaseJSONSerializer, "_serialize_type_structure", serialize_type_structure),
        (Table, "query", query_partition),
    ):
        setattr(kind, name, mended)
    quicken()


def _attribute(given: dict[str, Any]) -> dict[str, Any]:
    """A value of an item, as DynamoDB's JSON has it."""
    ((kind, value),) = given.items()
    match kind:
        case "M":
            return {kind: {name: _attribute(each) for name, each in value.items()}}
        case "L":
            return {kind: [_attribute(each) for each in value]}
        case "B":
            return {kind: _base64(value)}
        case "BS":
            return {kind: [_base64(each) for each in value]}
    return given


def _base64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


class _Before:
    """An item as it was before a transaction."""

    def __init__(self, backend: Any, item: dict[str, Any]) -> None:
        (operation,) = item.values()
        self._table = backend.tables.get(operation.get("TableName"))
        if self._table is None:
            return
        key = operation.get("Key") or operation["Item"]
        self._key = {name: key[name] for name in self._table.table_key_attrs}
        self._hash, self._range = backend.get_keys_value(self._table, self._key)
        self._item = copy.deepcopy(self._table.get_item(self._hash, self._range))

    @property
    def stream_length(self) -> int:
        shard = getattr(self._table, "stream_shard", None)
        return 0 if shard is None else len(shard.items)

    def restore(self, stream_length: int) -> None:
        if self._table is None:
            return
        items = self._table.items
        if self._item is None:
            if self._range is None:
                items.pop(self._hash, None)
            elif self._hash in items:
                items[self._hash].pop(self._range, None)
        elif self._range is None:
            items[self._hash] = self._item
        else:
            items[self._hash][self._range] = self._item
        if self._table.stream_shard is not None:
            del self._table.stream_shard.items[stream_length:]


@contextlib.contextmanager
def _uncopied(kind: Any) -> Iterator[None]:
    kind.__deepcopy__ = lambda self, memo: self
    try:
        yield
    finally:
        del kind.__deepcopy__


def application() -> Counting:
    """The server's WSGI application. Raises ``ConfigurationError`` without moto."""
    try:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    mend()
    inner: Any = DomainDispatcherApplication(create_backend_app)
    return Counting(inner)


def serve(host: str, port: int, expire: float = 0) -> None:
    """Serve until standard input ends."""
    app = application()
    if expire:
        app.expire(expire)
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        """Keeps connections, and answers in one packet; werkzeug's own ends each connection, and
        waits a hundredth of a second for more of a request than there is.
        """

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def run_wsgi(self) -> None:
            if self.headers.get("Expect", "").strip().lower() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            environ: Environ = self.make_environ()
            if environ.pop("wsgi.input_terminated", False):
                body = environ["wsgi.input"].read()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            head: list[tuple[str, list[tuple[str, str]]]] = []

            def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> None:
                head[:] = [(status, headers)]

            answer = b"".join(app(environ, start))
            ((status, headers),) = head
            code, _, reason = status.partition(" ")
            self.send_response(int(code), reason)
            for name, value in headers:
                if name.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer)))
            lines: Any = self.__dict__.pop("_headers_buffer")
            self.wfile.write(b"".join(lines) + b"\r\n" + answer)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: whoever wants to know counts."""

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = make_server(host, port, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    threading.Thread(target=_until_abandoned, daemon=True).start()
    sys.stdout.write(f"{READY}http://{host}:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def _until_abandoned() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--expire", type=float, default=0, metavar="SECONDS")
    given = parser.parse_args()
    serve(given.host, given.port, given.expire)


if __name__ == "__main__":
    main()
