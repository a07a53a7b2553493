"""An application with something of everything that a template is made of."""

from ringback import CloudEvent, Ringback, Upload

rb = Ringback("shop", cors_origins=("https://shop.example",))
handler = print
"""Stands for `rb.lambda_handler()`: a template calls nothing."""


@rb.task(timeout=20, retries=1)
async def quick(x: int) -> int:
    """Into the least class."""
    return x


@rb.task(timeout=60, public=True)
def fair(x: int) -> int:
    """Just into its class, and open to anybody."""
    return x


@rb.task(run_in="process", concurrency=3)
def endless(x: int) -> int:
    """Into the largest, having no time-out."""
    return x


@rb.on("orders.*")
def ordered(event: CloudEvent) -> None: ...


@rb.on("aws.s3.ObjectCreated:*")
def dropped(event: CloudEvent) -> None: ...


@rb.on_upload("documents/")
def documented(upload: Upload) -> None: ...
