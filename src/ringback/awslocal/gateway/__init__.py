"""API Gateway on one machine: HTTP APIs, WebSocket APIs and ``@connections``.

What belongs here: everything between a client and a function, as AWS does it, and what AWS refuses.
Functions are called through ``model.Invoker``; nothing here knows how they run.
"""

from ringback.awslocal.gateway.http_api import HttpGateway
from ringback.awslocal.gateway.jwts import Keys
from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.server import Server
from ringback.awslocal.gateway.socket_api import SocketGateway
from ringback.awslocal.gateway.tls import certify

__all__ = ["HttpGateway", "Keys", "Limits", "Server", "SocketGateway", "certify"]
