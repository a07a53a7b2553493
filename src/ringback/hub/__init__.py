"""Following: what changed is told here, and thousands of followers get it.

``Bells`` wake whoever waits for one operation or topic and reads its log; ``Hub`` hands the
messages of topics to connections, read once and framed once for all of them.
"""

from ringback.hub.audiences import Follower, Format, Guard
from ringback.hub.bells import Bells, rung, wait_for, wait_until_terminal
from ringback.hub.live import Hub
from ringback.hub.past import last_values
from ringback.hub.presence import Presence

__all__ = [
    "Bells",
    "Follower",
    "Format",
    "Guard",
    "Hub",
    "Presence",
    "last_values",
    "rung",
    "wait_for",
    "wait_until_terminal",
]
