"""An EventSource for tests (WHATWG HTML, 9.2), written from the standard and not from our code."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import h11


@dataclass(frozen=True)
class Event:
    kind: str
    data: Any
    id: str


@dataclass
class Parser:
    """9.2.6, Interpreting an event stream; in chunks of any size."""

    last_id: str = ""
    """What a reconnect sends: the id of the last event that was dispatched, and not of one that
    was cut off."""
    retry: int | None = None
    comments: int = 0
    _id: str = ""
    _kind: str = ""
    _data: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def feed(self, data: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line.decode())]

    def _line(self, line: str) -> list[Event]:
        if line:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))
            return []
        self.last_id = self._id
        data, kind = self._data, self._kind
        self._data, self._kind = [], ""
        return [Event(kind or "message", json.loads("\n".join(data)), self._id)] if data else []

    def _field(self, name: str, value: str) -> None:
        match name:
            case "":
                self.comments += 1
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case "retry":
                self.retry = int(value)
            case _:
                raise AssertionError(f"{name} is no field that the standard knows")


class Connection:
    """One request for a stream, on a socket of its own."""

    def __init__(
        self,
        url: str,
        path: str,
        query: Mapping[str, str | Sequence[str]],
        last_id: str = "",
        **headers: str,
    ) -> None:
        self._at = urlsplit(url)
        self._target = f"{path}?{urlencode(query, doseq=True)}"
        self._headers = [("Host", self._at.netloc), ("Accept", "text/event-stream")]
        self._headers += headers.items()
        if last_id:
            self._headers.append(("Last-Event-ID", last_id))
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        """Whether the server ended the answer, as against its being cut."""
        self.received = 0
        """Bytes read from the socket."""

    async def body(self, cut_at: int | None = None) -> AsyncGenerator[bytes, None]:
        """The answer's body as it comes; the socket is closed after `cut_at` bytes."""
        reader, writer = await asyncio.open_connection(self._at.hostname, self._at.port)
        http = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target=self._target, headers=self._headers)
        try:
            writer.write(http.send(request) + http.send(h11.EndOfMessage()))
            while cut_at is None or self.received < cut_at:
                most = 65536 if cut_at is None else min(65536, cut_at - self.received)
                data = await reader.read(most)
                self.received += len(data)
                if not data:
                    return
                http.receive_data(data)
                while (event := http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                    match event:
                        case h11.Response():
                            self.status = event.status_code
                            self.headers = {k.decode(): v.decode() for k, v in event.headers}
                        case h11.Data():
                            yield bytes(event.data)
                        case h11.EndOfMessage():
                            self.ended = True
                            return
        except ConnectionError:
            return
        finally:
            writer.transport.abort()
