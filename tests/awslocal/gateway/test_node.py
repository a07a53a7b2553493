"""The WebSocket client that browsers and Node.js share, against the gateway."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.awslocal.gateway.functions import PATIENCE, Functions, Stand, route

NODE = Path(sys.executable).parent / "node"

SCRIPT = """
const address = process.argv[1];
const opened = (protocols) => new Promise((resolve) => {
  const socket = new WebSocket(address, protocols);
  const said = [];
  socket.onopen = () => socket.send(JSON.stringify({action: "echo", text: "ä".repeat(16000)}));
  socket.onmessage = (event) => {
    said.push(event.data.length);
    if (said.length === 1) socket.send(JSON.stringify({action: "close"}));
  };
  socket.onerror = () => {};
  socket.onclose = (event) =>
    resolve({protocol: socket.protocol, said, code: event.code, reason: event.reason});
});
const results = [await opened(["chat.v1"]), await opened(["refused"])];
console.log(JSON.stringify(results));
"""


async def test_a_browsers_client(stand: Stand) -> None:
    def fn(event: dict[str, Any]) -> dict[str, Any]:
        context = event["requestContext"]
        if context["eventType"] == "CONNECT":
            headers = {name.lower(): value for name, value in event["headers"].items()}
            offered = headers["sec-websocket-protocol"]
            if offered != "chat.v1":
                return {"statusCode": 403}
            return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": offered}}
        if context["routeKey"] == "close":
            gateway.connections[context["connectionId"]].end(1000, "Connection Closed Normally")
        return {"statusCode": 200, "body": event.get("body", "")}

    functions = Functions(fn=fn)
    address, gateway = await stand.socket(
        functions, route("$connect"), route("echo", responds=True), route("close")
    )
    process = await asyncio.create_subprocess_exec(
        NODE,
        "--input-type=module",
        "--eval",
        SCRIPT,
        f"ws://{address}",
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    first, second = json.loads(output)
    length = len('{"action":"echo","text":""}') + 16_000
    assert first == {
        "protocol": "chat.v1",
        "said": [length],
        "code": 1000,
        "reason": "Connection Closed Normally",
    }
    assert (second["code"], second["said"]) == (1006, [])
