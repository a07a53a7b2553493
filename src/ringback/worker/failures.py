"""How a function's failing is told from where it ran to the worker."""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ringback.errors import InvalidInput, RingbackError
from ringback.tasks.encoding import to_text_bytes


class UnfitInput(Exception):
    """The stored input does not fit the task's model: that has changed since it was accepted."""

    def __init__(self, cause: InvalidInput) -> None:
        super().__init__(cause)
        self.cause = cause


class RemoteError(Exception):
    """An exception of a process that cannot be brought over: its name, text and ancestors."""

    def __init__(self, name: str, text: str, ancestors: Sequence[str]) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text
        self._ancestors = frozenset(ancestors)

    def is_any_of(self, classes: Sequence[type[BaseException]]) -> bool:
        """What ``isinstance`` would say of the exception itself."""
        return any(_path(each) in self._ancestors for each in classes)


class Failure(NamedTuple):
    """An exception on its way between processes: plain data, which can always be read."""

    pickled: bytes | None
    name: str
    text: str
    ancestors: tuple[str, ...]
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Called where it was raised."""
        try:
            text = str(error)
        except Exception:  # whatever its __str__ raises
            text = ""
        pickled = None
        if isinstance(error, RingbackError):  # its fields are for a problem, which is JSON anyway
            error.fields = msgspec.json.decode(to_text_bytes(error.fields))
        try:
            pickled = pickle.dumps(error)
            _load(pickled)
        except Exception:  # whatever its reduction raises
            pickled = None
        kind = type(error)
        return cls(
            pickled=pickled,
            name=kind.__name__,
            text=text,
            ancestors=tuple(_path(each) for each in kind.__mro__),
            traceback="".join(traceback.format_exception(error)),
        )

    def error(self) -> BaseException:
        """The exception, or what stands for it."""
        error: BaseException
        try:
            error = _load(self.pickled or b"")
        except Exception:  # its module is not here, or its reduction raises
            error = RemoteError(self.name, self.text, self.ancestors)
        if isinstance(error, StopIteration):  # no future can carry it (PEP 479)
            error = RemoteError(self.name, self.text, self.ancestors)
        error.add_note(f"In the process:\n{self.traceback}")
        return error


class _Unpickler(pickle.Unpickler):
    """A program started by its file is ``__main__`` here and ``__mp_main__`` in a process."""

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(_MODULES.get(module, module), name)


_MODULES = {"__mp_main__": "__main__"}


def _load(pickled: bytes) -> BaseException:
    loaded: object = _Unpickler(io.BytesIO(pickled)).load()
    if not isinstance(loaded, BaseException):
        raise TypeError(f"{loaded!r} is no exception.")
    return loaded


def _path(kind: type) -> str:
    return f"{_MODULES.get(kind.__module__, kind.__module__)}.{kind.__qualname__}"
