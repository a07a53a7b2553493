"""The one error a scenario may end in without ending the benchmark."""

from __future__ import annotations


class NotRun(Exception):
    """This row could not be measured; the text is shown in its place in the table."""
