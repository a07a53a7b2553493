"""From a SAM or CloudFormation template to ``model.Stack``: nothing runs here."""

from ringback.awslocal.template.reading import read

__all__ = ["read"]
