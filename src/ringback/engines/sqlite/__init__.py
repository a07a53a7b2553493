"""The embedded engine: SQLite in a data folder, shared by the processes of one machine."""

from ringback.engines.sqlite.engine import SqliteEngine

__all__ = ["SqliteEngine"]
