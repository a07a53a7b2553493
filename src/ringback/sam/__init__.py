"""An application as AWS's resources: its SAM template, and the way there.

What belongs here: what is written and which ordinary tools are called. What does not: running any
of it, which is for ``lambdas`` and, on one machine, for ``awslocal``.
"""

from ringback.sam.additions import Additions
from ringback.sam.plan import Plan, plan
from ringback.sam.template import document, text

__all__ = ["Additions", "Plan", "document", "plan", "text"]
