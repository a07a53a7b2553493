"""The same application in AWS Lambda: ``handler`` is what every function of the template calls."""

from __future__ import annotations

from .app import app
from .tasks import rb

__all__ = ["handler", "rb"]

handler = rb.lambda_handler(app)
