"""An event stream as a client reads it (WHATWG HTML, 9.2.6), data being any text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    id: str
    kind: str
    data: str


@dataclass
class Stream:
    """What has come, in chunks of any size."""

    last_id: str = ""
    retry: int | None = None
    comments: int = 0
    _id: str = ""
    _kind: str = ""
    _data: list[str] = field(default_factory=list)
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )

    def feed(self, data: bytes) -> list[Event]:
        self._rest += self._decoder.decode(data)
        *lines, self._rest = re.split(r"\r\n|\r|\n", self._rest)
        return [event for line in lines for event in self._line(line)]

    def _line(self, line: str) -> list[Event]:
        if not line:
            self.last_id = self._id
            kind, data = self._kind or "message", self._data
            self._kind, self._data = "", []
            return [Event(self._id, kind, "\n".join(data))] if data else []
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self.comments += 1
            case "id":
                self._id = value
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "retry":
                self.retry = int(value)
            case _:
                raise AssertionError(f"{name} is no field that the standard knows")
        return []
