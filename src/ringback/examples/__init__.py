"""The examples, as modules of the package: ``ringback demo`` runs one.

An installed package has them here. In a checkout they stand in ``examples/`` at its root, where
people look for them.
"""

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
if (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT / "examples"))
