"""An application that runs elsewhere, over its HTTP contract: ``AsyncClient``, and ``Client`` for
scripts.

What belongs here: requests, retries that are safe, and following over lost connections. What does
not: how anything is shown (``cli``). A server's problem is raised as the same class of error that
the server raised.
"""

from ringback.client.answers import Refused, Unreachable
from ringback.client.asynchronous import AsyncClient
from ringback.client.blocking import Client, Operation, Subscription
from ringback.client.following import OperationEvent, Part, Progress
from ringback.client.messages import AsyncSubscription, Gap, Message, Presence, Published
from ringback.client.operation import AsyncOperation

__all__ = [
    "AsyncClient",
    "AsyncOperation",
    "AsyncSubscription",
    "Client",
    "Gap",
    "Message",
    "Operation",
    "OperationEvent",
    "Part",
    "Presence",
    "Progress",
    "Published",
    "Refused",
    "Subscription",
    "Unreachable",
]
