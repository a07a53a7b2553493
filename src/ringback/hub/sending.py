"""The same bytes to many sockets: on Linux with one call into the system for all of them.

A system call for each socket, with the interpreter in between, costs a fourth of the time of
fan-out. With io_uring the kernel takes a list of sends; none of them waits, so all are done when
the call returns, and nothing is under way afterwards. Where there is none (another system, an
older kernel, a container or an administrator that forbids it), each socket has its own ``write``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import mmap
import os
import sys
import threading
from array import array
from itertools import repeat

FROM = 16
"""Sockets from which a ring is worth its own cost."""
ENTRIES = 1024
"""Sends that are handed over at once: a power of two."""

_SETUP, _ENTER = 425, 426  # the numbers of the system calls, the same on all architectures
_SUBMIT_ALL = 1 << 7  # one that fails does not keep the others; since Linux 5.18
_GETEVENTS = 1
_SQES_AT = 0x10000000
_SEND = 26
_FLAGS = 0x4000 | 0x40  # MSG_NOSIGNAL, MSG_DONTWAIT
_SQE, _CQE = 64, 16  # bytes

Short = tuple[int, int]
"""The index of a socket that did not take all, and how many bytes it took; below 1 for none."""

log = logging.getLogger("ringback.hub")


class _SubmissionOffsets(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_uint32)
            for name in ("head", "tail", "mask", "entries", "flags", "dropped", "array", "unused")
        ),
        ("address", ctypes.c_uint64),
    ]


class _CompletionOffsets(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_uint32)
            for name in ("head", "tail", "mask", "entries", "overflow", "cqes", "flags", "unused")
        ),
        ("address", ctypes.c_uint64),
    ]


class _Parameters(ctypes.Structure):
    _fields_ = [
        ("submissions", ctypes.c_uint32),
        ("completions", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("unused", ctypes.c_uint32 * 7),
        ("submission", _SubmissionOffsets),
        ("completion", _CompletionOffsets),
    ]


class Ring:
    """Submissions and completions that are shared with the kernel (io_uring(7)). For one thread."""

    def __init__(self) -> None:
        """Raises ``OSError`` where there is none to be had; ``mmap`` may raise ``ValueError``."""
        self.descriptor = -1  # first: what was not made is given back too
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "there is no io_uring")
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        asked = _Parameters(flags=_SUBMIT_ALL)
        self.descriptor = self._call(
            ctypes.c_long(_SETUP), ctypes.c_uint(ENTRIES), ctypes.byref(asked)
        )
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "there is no io_uring")
        submission, completion = asked.submission, asked.completion
        size = max(submission.array + 4 * ENTRIES, completion.cqes + _CQE * asked.completions)
        self._shared = memoryview(mmap.mmap(self.descriptor, size))
        entries = memoryview(mmap.mmap(self.descriptor, _SQE * ENTRIES, offset=_SQES_AT))
        self._words = self._shared[: size - size % 4].cast("I")
        self._tail, self._done = submission.tail // 4, completion.tail // 4
        self._taken = completion.head // 4
        self._mask = self._words[completion.mask // 4]
        at = submission.array // 4
        self._words[at : at + ENTRIES] = memoryview(array("I", range(ENTRIES)))
        entries[::_SQE] = memoryview(bytes((_SEND,)) * ENTRIES)
        words, longs = entries.cast("I"), entries.cast("Q")
        words[7::16] = memoryview(array("I", (_FLAGS,)) * ENTRIES)
        longs[4::8] = memoryview(array("Q", range(ENTRIES)))  # by which its completion names it
        self._descriptors = entries.cast("i")[1::16]
        self._addresses, self._sizes = longs[2::8], words[6::16]
        self._found = self._shared[completion.cqes : completion.cqes + _CQE * asked.completions]
        self._names, self._results = self._found.cast("Q")[::2], self._found.cast("i")[2::4]
        # What is found there where each entry has taken as much as it was to.
        self._wanted = memoryview(bytearray(_CQE * ENTRIES))
        self._wanted.cast("Q")[::2] = memoryview(array("Q", range(ENTRIES)))
        self._wanted_sizes = self._wanted.cast("I")[2::4]

    def close(self) -> None:
        """Give it back."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()

    def send(self, descriptors: array[int], data: bytes) -> list[Short]:
        """Those that did not take all."""
        size, count = len(data), len(descriptors)
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        sockets = memoryview(descriptors)
        addresses = memoryview(array("Q", (address or 0,)) * min(count, ENTRIES))
        sizes = memoryview(array("I", (size,)) * len(addresses))
        short: list[Short] = []
        at = 0
        while at < count:
            slot = self._words[self._tail] % ENTRIES
            several = min(count - at, ENTRIES - slot)
            end = slot + several
            self._descriptors[slot:end] = sockets[at : at + several]
            self._addresses[slot:end] = addresses[:several]
            self._sizes[slot:end] = self._wanted_sizes[slot:end] = sizes[:several]
            sent = self._submit(several)
            if not self._whole(slot, sent):
                taken = enumerate(self._completed(slot, sent), at)
                short += [each for each in taken if each[1] != size]
            at += sent
            if sent < several:  # the kernel has no memory for more: the rest goes another way
                short += [(index, 0) for index in range(at, count)]
                break
        return short

    def _submit(self, several: int) -> int:
        """Have the kernel carry out the next entries; how many it took, all of them done."""
        words = self._words
        words[self._tail] = (words[self._tail] + several) & 0xFFFFFFFF
        left = several
        while left:
            took = self._enter(left, 0, 0)
            if took > 0:
                left -= took
            elif took == 0 or ctypes.get_errno() != errno.EINTR:
                words[self._tail] = (words[self._tail] - left) & 0xFFFFFFFF
                break
        while (words[self._done] - words[self._taken]) & 0xFFFFFFFF < several - left:
            self._enter(0, several - left, _GETEVENTS)  # the bytes have to stay until then
        return several - left

    def _enter(self, submitted: int, completed: int, flags: int) -> int:
        result: int = self._call(
            ctypes.c_long(_ENTER),
            ctypes.c_uint(self.descriptor),
            ctypes.c_uint(submitted),
            ctypes.c_uint(completed),
            ctypes.c_uint(flags),
            None,
            ctypes.c_size_t(0),
        )
        return result

    def _whole(self, slot: int, several: int) -> bool:
        """Whether entries have all taken everything, and were done in their order: then there is
        nothing more to know. Compared as bytes: no number is made for each.
        """
        first = self._words[self._taken]
        at = first & self._mask  # as many as entries, and so they end no later than those do
        found = self._found[_CQE * at : _CQE * (at + several)]
        if bytes(found) != bytes(self._wanted[_CQE * slot : _CQE * (slot + several)]):
            return False
        self._words[self._taken] = (first + several) & 0xFFFFFFFF
        return True

    def _completed(self, slot: int, several: int) -> list[int]:
        """What each of the entries took, in their order."""
        first = self._words[self._taken]
        at = first & self._mask
        results: list[int] = self._results[at : at + several].tolist()
        names: list[int] = self._names[at : at + several].tolist()
        self._words[self._taken] = (first + several) & 0xFFFFFFFF
        if names != list(range(slot, slot + several)):
            found = dict(zip(names, results, strict=True))
            results = [found[name] for name in range(slot, slot + several)]
        return results


class _Own(threading.local):
    """The ring of a thread; None: it has none, or cannot have one."""

    ring: Ring | None = None
    refused = False


_own = _Own()


def avoid() -> None:
    """Make no ring from now on, in this process."""
    global _avoided
    _avoided = True
    _own.ring = None


_avoided = False


def _forget() -> None:
    """A child has its parent's ring: two must not use it."""
    _own.ring = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def send(descriptors: array[int], data: bytes) -> list[Short]:
    """Send to each socket; those that did not take all of it have no room, or are broken."""
    if len(descriptors) >= FROM and (ring := _ring()) is not None:
        try:
            return ring.send(descriptors, data)
        except BaseException:  # of a signal's handler, in between: the ring's ends may not fit
            _own.ring = None
            raise
    return _one_by_one(descriptors, data)


def _ring() -> Ring | None:
    """This thread's, if it can have one."""
    if _avoided:
        return None
    if _own.ring is None and not _own.refused:
        try:
            _own.ring = Ring()
        except (OSError, ValueError) as error:
            log.debug("Sockets are written to one by one: %s", error)
            _own.refused = True
    return _own.ring


def _one_by_one(descriptors: array[int], data: bytes) -> list[Short]:
    each, taken = iter(descriptors), list[int]()
    while len(taken) < len(descriptors):
        try:
            taken.extend(map(os.write, each, repeat(data)))  # a loop without bytecode
        except OSError:  # one is full, or broken: its transport finds out which
            taken.append(0)
    if taken.count(len(data)) == len(taken):
        return []
    return [(index, sent) for index, sent in enumerate(taken) if sent != len(data)]
