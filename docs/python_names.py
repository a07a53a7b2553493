"""The public names of the package as Markdown: signatures and docstrings, read from the source.

What belongs here: how a class is shown. Which names are public is a package's `__all__` to say.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Sequence
from enum import Enum
from types import ModuleType
from typing import Any

import ringback
import ringback.client
from ringback.tasks.options import HandlerOptions, TaskOptions, UploadOptions

WIDTH = 96
"""Columns of a signature before it is broken into lines."""
FIRST = ("Ringback", "Operation", "BlockingOperation", "Upload", "CloudEvent", "OperationState")
"""What people look for first; the rest follows by name."""
CLIENT_FIRST = ("Client", "Operation", "Subscription", "AsyncClient", "AsyncOperation")
HANDED_OUT = frozenset(
    {"Operation", "BlockingOperation", "AsyncOperation", "Subscription", "AsyncSubscription"}
)
"""Classes that nobody makes but those who hand them out."""
SHARED = frozenset({"OperationView"})
"""Bases without a name of their own in public: what they have is shown with each class."""


def python_names() -> str:
    """Every public name, with its public members."""
    first, *names = _ordered(ringback, FIRST)
    texts = [*_class(ringback, first), _options()]
    return "\n\n".join([*texts, *(text for name in names for text in _class(ringback, name))])


def client_names() -> str:
    """The same of ``ringback.client``."""
    names = _ordered(ringback.client, CLIENT_FIRST)
    return "\n\n".join(text for name in names for text in _class(ringback.client, name))


def _ordered(package: ModuleType, first: Sequence[str]) -> list[str]:
    return [*first, *sorted(set(package.__all__) - {*first, "__version__"})]


def _options() -> str:
    """What the three decorators take."""
    rows = [
        _row(_field(member, False), documentation)[:-1] + f"| {who} |"
        for kind, who in (
            (HandlerOptions, "`task`, `on`, `on_upload`"),
            (UploadOptions, "`task`, `on_upload`"),
            (TaskOptions, "`task`"),
        )
        for member, documentation in _members(_source(kind))
        if isinstance(member, ast.AnnAssign)
    ]
    head = (
        "### Options of tasks and handlers\n\n| option | meaning; default | of |\n|---|---|---|\n"
    )
    return head + "\n".join(rows)


def _source(kind: type) -> ast.ClassDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)  # noqa: S101 - what is public is classes
    return node


def _class(package: ModuleType, name: str) -> Iterator[str]:
    kind = getattr(package, name)
    node = _source(kind)
    yield f"## {name}"
    yield _prose(ast.get_docstring(node))
    rows: list[str] = []
    functions: list[str] = []
    shared = [_source(base) for base in kind.__mro__[1:] if base.__name__ in SHARED]
    for member, documentation in (each for part in (node, *shared) for each in _members(part)):
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if _decorated(member, "property"):
                kind_of = ast.unparse(member.returns) if member.returns else "Any"
                rows.append(_row(f"{member.name}: {kind_of}", documentation))
            elif member.name != "__init__" or name not in HANDED_OUT:
                functions.append(_function(name, member, documentation))
        else:
            rows.append(_row(_field(member, issubclass(kind, Enum)), documentation))
    if rows:
        yield "| attribute | |\n|---|---|\n" + "\n".join(rows)
    yield from functions


_Field = ast.AnnAssign | ast.Assign
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _members(node: ast.ClassDef) -> Iterator[tuple[_Field | _Function, str | None]]:
    """The public members in the order of the source, and attributes that ``__init__`` documents."""
    body = node.body
    for index, member in enumerate(body):
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if member.name == "__init__":
                yield from _set_in(member)
            hidden = member.name.startswith("_") and member.name != "__init__"
            if not hidden and not _decorated(member, "overload"):
                yield member, ast.get_docstring(member)
        elif isinstance(member, ast.AnnAssign | ast.Assign) and not _name(member).startswith(
            ("_", "model_config")
        ):
            yield member, _string(body, index + 1)


def _set_in(init: _Function) -> Iterator[tuple[_Field, str | None]]:
    for index, statement in enumerate(init.body):
        documentation = _string(init.body, index + 1)
        if (
            isinstance(statement, ast.AnnAssign | ast.Assign)
            and documentation is not None
            and not _name(statement).startswith("_")
        ):
            yield statement, documentation


def _name(field: _Field) -> str:
    target = field.targets[0] if isinstance(field, ast.Assign) else field.target
    return target.attr if isinstance(target, ast.Attribute) else ast.unparse(target)


def _string(body: list[ast.stmt], index: int) -> str | None:
    """The string that stands there: an attribute's docstring."""
    if index < len(body):
        statement = body[index]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            value: Any = statement.value.value
            return inspect.cleandoc(value) if isinstance(value, str) else None
    return None


def _decorated(function: _Function, name: str) -> bool:
    return any(ast.unparse(each) == name for each in function.decorator_list)


def _field(field: _Field, is_enum: bool) -> str:
    if isinstance(field, ast.AnnAssign):
        default = f" = {_value(field.value)}" if field.value is not None else ""
        return f"{_name(field)}: {_annotation(field.annotation)}{default}"
    return f"{_name(field)} = {_value(field.value)}" if is_enum else _name(field)


def _annotation(annotation: ast.expr) -> str:
    """The type, without the mark of what belongs to the class."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "ClassVar":
        return ast.unparse(annotation.slice)
    return ast.unparse(annotation)


def _row(signature: str, documentation: str | None) -> str:
    text = " ".join((documentation or "").split()).replace("|", "\\|")
    return f"| `{signature.replace('|', chr(92) + '|')}` | {text} |"


def _function(owner: str, function: _Function, documentation: str | None) -> str:
    if function.name == "__init__":
        title, name = f"{owner}()", owner
    else:
        title = f"{owner}.{function.name}()"
        name = f"{'async ' * isinstance(function, ast.AsyncFunctionDef)}def {function.name}"
    decorators = "".join(f"@{ast.unparse(each)}\n" for each in function.decorator_list)
    return "\n\n".join(
        filter(
            None,
            [
                f"### {title}",
                f"```python fragment\n{decorators}{_signature(name, function)}\n```",
                _prose(documentation),
            ],
        )
    )


def _signature(name: str, function: _Function) -> str:
    parameters = _parameters(function.args)
    returns = ""
    if name.endswith(function.name) and function.name != "__init__":
        returns = f" -> {ast.unparse(function.returns)}: ..." if function.returns else ": ..."
    line = f"{name}({', '.join(parameters)}){returns}"
    if len(line) <= WIDTH:
        return line if returns else _constructor(line)
    lines = "".join(f"    {each},\n" for each in parameters)
    broken = f"{name}(\n{lines}){returns}"
    return broken if returns else _constructor(broken)


def _constructor(call: str) -> str:
    """A constructor as a stub: a call with annotations would be no Python."""
    return f"def {call}: ..."


def _parameters(arguments: ast.arguments) -> list[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    found = [
        _parameter(each, default)
        for each, default in zip(positional, [*defaults, *arguments.defaults], strict=True)
    ]
    if arguments.posonlyargs:
        found.insert(len(arguments.posonlyargs), "/")
    found = found[1:]  # self
    if arguments.vararg:
        found.append(f"*{_parameter(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        found.append("*")
    found += [
        _parameter(each, default)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        found.append(f"**{_parameter(arguments.kwarg, None)}")
    return found if found[:1] != ["/"] else found[1:]


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg
    if argument.annotation is not None:
        text += f": {ast.unparse(argument.annotation)}"
    if default is not None:
        text += f" = {_value(default)}" if argument.annotation else f"={_value(default)}"
    return text


def _value(value: ast.expr) -> str:
    """As the formatter writes it: text in double quotes."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return json.dumps(value.value)
    return ast.unparse(value)


def _prose(documentation: str | None) -> str:
    return documentation or ""
