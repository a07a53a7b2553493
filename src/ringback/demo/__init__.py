"""The demo: an application like a user's own, and a page that shows the pattern at work.

``ringback demo`` serves ``app`` and runs one worker for ``rb``. What belongs here: what the page
shows. What does not: anything another application would need; this one uses only what is public,
but for the button that kills a worker.
"""

from ringback.demo.app import app
from ringback.demo.tasks import rb

__all__ = ["app", "rb"]
