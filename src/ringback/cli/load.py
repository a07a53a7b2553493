"""From ``module:attribute`` to an application, with errors that say which part is wrong."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ringback.app import Ringback
from ringback.errors import ConfigurationError, RingbackError

ATTRIBUTE = "rb"
"""What is meant when only a module is given."""


def load(target: str) -> tuple[Ringback, str]:
    """The application, and its full name. Raises ``ConfigurationError``."""
    module_name, _, attribute = target.partition(":")
    attribute = attribute or ATTRIBUTE
    if not module_name:
        raise ConfigurationError(f"{target!r} names no module: write module:attribute, app:rb say.")
    if module_name.endswith(".py") or "/" in module_name:
        name = ".".join(Path(module_name).with_suffix("").parts).strip("./")
        raise ConfigurationError(
            f"{module_name!r} is a file; give the module's name: {name}:{attribute}"
        )
    module = _imported(module_name)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ConfigurationError(
                f"{module_name} has no {attribute!r}. {_candidates(module, module_name)}"
            )
        found = getattr(found, name)
    if not isinstance(found, Ringback):
        kind = type(found)
        raise ConfigurationError(
            f"{module_name}:{attribute} is no Ringback but a {kind.__module__}.{kind.__qualname__}."
            f" {_candidates(module, module_name)}"
        )
    return found, f"{module_name}:{attribute}"


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise ConfigurationError(
                f"There is no module {missing!r}: not in {here}, and not installed for "
                f"{sys.executable}. Run this where the module is, or set PYTHONPATH."
            ) from None
        raise ConfigurationError(
            f"{name} imports {missing!r}, which is not installed for {sys.executable}."
            f"{_where(error)}"
        ) from None
    except RingbackError as error:
        raise ConfigurationError(f"{error.detail}{_where(error)}") from None
    except SyntaxError as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error.msg} ({error.filename}, line {error.lineno})."
        ) from None
    except Exception as error:
        raise ConfigurationError(
            f"{name} cannot be imported: {type(error).__name__}: {error}{_where(error)}"
        ) from None


def _where(error: BaseException) -> str:
    """The lines of the user's own code that led there, innermost last."""
    own = str(Path(__file__).resolve().parent.parent) + os.sep
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((own, "<frozen", importlib.__file__))
    ]
    return "".join(f"\n  {frame.filename}, line {frame.lineno}: {frame.line}" for frame in frames)


def _candidates(module: ModuleType, name: str) -> str:
    found = [key for key, value in vars(module).items() if isinstance(value, Ringback)]
    if not found:
        return "That module has no Ringback object; make one with rb = Ringback(…)."
    return f"Perhaps you mean {' or '.join(f'{name}:{key}' for key in found)}."
