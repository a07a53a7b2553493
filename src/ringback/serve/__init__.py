"""Running an application: sockets, signals, and the processes that work beside the server."""

from ringback.serve.server import Started, serve
from ringback.serve.stopping import run_to_end
from ringback.serve.work import work

__all__ = ["Started", "run_to_end", "serve", "work"]
