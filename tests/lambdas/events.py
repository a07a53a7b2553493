"""Events to the letter, as AWS sends them."""

from typing import Any


def http(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """An event of an HTTP API."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "localhost", "content-type": "application/json", **headers},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "stage": "$default",
            "domainName": "localhost",
        },
        "body": body,
        "isBase64Encoded": False,
    }
