"""Ringback with storage switched off: what the HTTP edge and the core cost without a disk.

A bench-only engine that accepts into memory and forgets. It is never part of the package: an
engine that answers 202 without storing breaks the contract, so it lives here, out of reach.

To plug it in: build `rb` like `bench.servers.ringback_app` does, with an engine whose append
returns at once. Until then importing this module fails, and the table says "not run" and why.
"""

from __future__ import annotations

raise SystemExit("bench/servers/ringback_nostore.py has no engine yet: see its docstring")
