"""An application that runs elsewhere, over its HTTP contract.

What belongs here: requests, retries that are safe, and following an operation over lost
connections. What does not: how anything is shown (``cli``). A server's problem is raised as
the same class of error that the server raised.
"""

from ringback.client.answers import Fields, Refused, Unreachable
from ringback.client.client import FROM_THE_START, PATIENCE, Client, Notice, checked_url, ends

__all__ = [
    "FROM_THE_START",
    "PATIENCE",
    "Client",
    "Fields",
    "Notice",
    "Refused",
    "Unreachable",
    "checked_url",
    "ends",
]
