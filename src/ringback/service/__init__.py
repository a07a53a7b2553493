"""What every edge and the worker ask for, over any engine.

It knows nothing of HTTP, sockets or processes.
"""

from ringback.core.policies import MAX_MESSAGE
from ringback.service.operations import Authorize, Service, jitter
from ringback.service.publishing import Publisher
from ringback.service.revocations import Revocations

__all__ = ["MAX_MESSAGE", "Authorize", "Publisher", "Revocations", "Service", "jitter"]
