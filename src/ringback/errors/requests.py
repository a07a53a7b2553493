"""What is wrong with a request: its caller can mend it."""

from __future__ import annotations

from ringback.errors.base import RingbackError


class RequestError(RingbackError):
    """The request cannot be carried out as it stands."""

    code = "bad-request"
    status = 400


class MalformedRequest(RequestError):
    """The request could not be read. Send a JSON body and well-formed headers."""

    code = "malformed-request"


class IdempotencyKeyMissing(RequestError):
    """This task needs an Idempotency-Key header. Send a fresh UUID, and the same one on a retry."""

    code = "idempotency-key-missing"


class NotFound(RequestError):
    """There is nothing at this path. See /openapi.json for the paths there are."""

    code = "not-found"
    status = 404


class UnknownTask(RequestError):
    """No task has this name."""

    code = "unknown-task"
    status = 404


class UnknownAction(RequestError):
    """There is no such action, or not yet in this server. Send one of those in known."""

    code = "unknown-action"
    status = 404


class UnknownTopic(RequestError):
    """No such topic is declared. Declare it with rb.topic(…), or open undeclared topics with the
    setting open_topics."""

    code = "unknown-topic"
    status = 404


class UnknownOperation(RequestError):
    """No operation has this id, or it is not yours. Use the id that submitting it gave, and over
    HTTP its token too."""

    code = "unknown-operation"
    status = 404


class MethodNotAllowed(RequestError):
    """This path does not take this method. The Allow header lists those it takes."""

    code = "method-not-allowed"
    status = 405


class UploadStalled(RequestError):
    """No more bytes came. What came is stored: ask for the upload's offset and go on there."""

    code = "upload-stalled"
    status = 408
    retryable = True


class NotFinished(RequestError):
    """The operation has no result yet. Follow its events, or ask again after Retry-After."""

    code = "not-finished"
    status = 409
    retryable = True


class StillOpen(RequestError):
    """The operation is still open. Cancel it and let it end before you forget it."""

    code = "still-open"
    status = 409
    retryable = True


class OffsetMismatch(RequestError):
    """The bytes do not continue where the upload stands. Go on at the offset given here."""

    code = "offset-mismatch"
    status = 409
    title = "Wrong offset"


class UploadBusy(RequestError):
    """Another request sends bytes of this upload. Let it end, then go on at the new offset."""

    code = "upload-busy"
    status = 409
    retryable = True


class OperationForgotten(RequestError):
    """The operation was here and has been forgotten: its retention passed, or it was deleted."""

    code = "operation-forgotten"
    status = 410
    subject: str | None = None
    """Whom it belonged to: nobody else is told that it was ever here."""


class UploadEnded(RequestError):
    """The upload's operation ended before its bytes were complete. Declare another upload."""

    code = "upload-ended"
    status = 410


class UploadExpired(RequestError):
    """The bytes were not complete in time. Declare the upload again, and send them at once."""

    code = "upload-expired"
    status = 410


class StaleVersion(RequestError):
    """The operation has changed since the version in If-Match. Read it again, then decide."""

    code = "stale-version"
    status = 412


class PayloadTooLarge(RequestError):
    """The body is larger than this server accepts. Send less, or use an upload."""

    code = "payload-too-large"
    status = 413


class UnsupportedMediaType(RequestError):
    """The body's media type is not one this path takes. Send application/json."""

    code = "unsupported-media-type"
    status = 415


class InvalidInput(RequestError):
    """The input does not fit the task's model. Each entry of errors points at one fault."""

    code = "invalid-input"
    status = 422


class IdempotencyKeyReused(RequestError):
    """This Idempotency-Key was used with another payload. Use a new key for a new request."""

    code = "idempotency-key-reused"
    status = 422


class ChecksumMismatch(RequestError):
    """The bytes received do not have the declared checksum. Send the file again from offset 0."""

    code = "checksum-mismatch"
    status = 422


class UpgradeRequired(RequestError):
    """This path speaks WebSocket. Open it with a WebSocket client, over HTTP/1.1."""

    code = "upgrade-required"
    status = 426


class HeadersTooLarge(RequestError):
    """The headers are larger than this server accepts. Send fewer or shorter ones."""

    code = "headers-too-large"
    status = 431
