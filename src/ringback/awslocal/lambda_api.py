"""As much of Lambda's own API as functions use: ``Invoke``."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from urllib.parse import unquote

from ringback.awslocal.model import Function
from ringback.awslocal.runtime.functions import Functions
from ringback.awslocal.runtime.http import Answer, Listener, Request
from ringback.awslocal.sources.asynchronous import LARGEST, Asynchronous

PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations")
STATUSES = {"missing": 404, "throttled": 429}


class LambdaApi:
    """What ``AWS_ENDPOINT_URL_LAMBDA`` leads to."""

    def __init__(self, functions: Functions, asynchronous: Asynchronous) -> None:
        self._functions = functions
        self._asynchronous = asynchronous
        self._listener = Listener(self._serve)
        self.counts: Counter[tuple[str, str]] = Counter()

    async def start(self) -> str:
        """The URL."""
        await self._listener.start()
        return f"http://127.0.0.1:{self._listener.port}"

    def stop(self) -> None:
        self._listener.stop()

    async def _serve(self, request: Request) -> Answer:
        found = PATH.match(unquote(request.path))
        if request.method != "POST" or found is None:
            return _error(
                501, "NotImplemented", "Of Lambda's API only Invoke is served on this machine."
            )
        self.counts["lambda", "Invoke"] += 1
        function = self.named(found[1])
        if function is None:
            return _error(404, "ResourceNotFoundException", f"Function not found: {found[1]}")
        payload = request.body or b"{}"
        try:
            event = json.loads(payload)
        except ValueError as error:
            return _error(
                400,
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            )
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "DryRun":
            return Answer(status=204)
        if kind == "Event":
            if len(payload) > LARGEST:
                message = f"{len(payload)} bytes are more than {LARGEST}."
                return _error(413, "RequestEntityTooLargeException", message)
            self._asynchronous.submit(function.name, event)
            return Answer(status=202)
        context = request.headers.get("x-amz-client-context", "")
        if context:
            context = base64.b64decode(context).decode()
        outcome = await self._functions.call(function.name, payload, client_context=context)
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": "$LATEST",
            "x-amzn-RequestId": outcome.request_id,
        }
        if outcome.error is None:
            return Answer(headers=headers, body=json.dumps(outcome.payload).encode())
        if outcome.error.kind in STATUSES:
            status = STATUSES[outcome.error.kind]
            return _error(status, outcome.error.type, outcome.error.message)
        headers["X-Amz-Function-Error"] = "Unhandled"
        return Answer(headers=headers, body=json.dumps(outcome.error.body()).encode())

    def named(self, name: str) -> Function | None:
        """By name, ARN or partial ARN, of whatever version."""
        for function in self._functions.functions.values():
            if name.startswith("arn:"):
                if name == function.arn or name.startswith(f"{function.arn}:"):
                    return function
            elif function.function_name in (name.partition(":")[0], name.rpartition(":")[2]):
                return function
        return None


def _error(status: int, type_: str, message: str) -> Answer:
    return Answer(
        status=status,
        headers={"Content-Type": "application/json", "x-amzn-ErrorType": type_},
        body=json.dumps({"Type": "User", "message": message, "Message": message}).encode(),
    )
