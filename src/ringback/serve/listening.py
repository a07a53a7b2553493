"""The sockets to listen on, and on which addresses a server without keys may not."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from ringback.app import Ringback
from ringback.errors import ConfigurationError


def listen(rb: Ringback) -> list[socket.socket]:
    """Bound sockets for the host and port of the settings, one for each address of the host.

    Raises ``ConfigurationError``: taken, not ours, not allowed; or no address that a server in
    development mode may have.
    """
    host, port = rb.settings.host, rb.settings.port
    addresses = _addresses(host, port)
    if rb.development:
        _refuse_exposure(host, addresses)
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            if sockets and port == 0:  # the free port of the first is the port of all
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            bound = _bind(family, address, optional=bool(sockets))
            if bound is not None:
                sockets.append(bound)
    except BaseException:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """The address to give to people."""
    port = sockets[0].getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


_Address = tuple[socket.AddressFamily, tuple[object, ...]]
"""A family, and what ``bind`` takes for it: host and port first."""


def _addresses(host: str, port: int) -> list[_Address]:
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ConfigurationError(
            f"The host {host!r} has no address here ({error.strerror}). Use --host 127.0.0.1 for "
            "this machine alone, 0.0.0.0 for all its addresses."
        ) from None
    # IPv4 first: what people type, and what the printed address is of.
    unique: list[_Address] = []
    for family, _, _, _, address in sorted(found, key=lambda each: each[0] != socket.AF_INET):
        if (family, address) not in unique:
            unique.append((family, address))
    return unique


def _refuse_exposure(host: str, addresses: list[_Address]) -> None:
    for _, address in addresses:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise ConfigurationError(
                f"Without keys this is development mode: anybody may submit, so it does not "
                f"listen on {host}, which others can reach. Set RINGBACK_JWT_SECRET (32 bytes or "
                "more: openssl rand -base64 48), RINGBACK_JWT_PUBLIC_KEY or RINGBACK_JWKS_URL; "
                "or leave --host at 127.0.0.1."
            )


def _bind(
    family: socket.AddressFamily, address: tuple[object, ...], *, optional: bool
) -> socket.socket | None:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Its IPv4 half would collide with the socket that is bound for IPv4.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen()  # so that a second server on this port is told at its start
    except OSError as error:
        bound.close()
        if optional and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise ConfigurationError(_bind_fault(error, address)) from None
    return bound


def _bind_fault(error: OSError, address: tuple[object, ...]) -> str:
    host, port = address[:2]
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {port} of {host} is taken. Stop what listens there, or choose another "
                "with --port (0: any free one)."
            )
        case errno.EACCES:
            return f"Port {port} needs privileges. Choose one from 1024 up with --port."
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine. Use --host 127.0.0.1."
        case number:
            return f"{host}, port {port}: {os.strerror(number or 0)}."
