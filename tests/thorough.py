"""How many examples a property is tried with: all in `make soak`, half of them in each run."""

import os

VARIABLE = "TEST_THOROUGH"


def examples(full: int) -> int:
    """How many of so many."""
    return full if os.environ.get(VARIABLE) else full // 2
