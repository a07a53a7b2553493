"""URI templates (RFC 6570, all levels), read backwards: could this be an expansion of it?

Any variable may be undefined, empty, a list or an association, as far as its modifiers allow.
"""

from __future__ import annotations

import re
import string
from typing import NamedTuple

from ringback.core.automaton import Automaton, Builder, Characters, Part
from ringback.errors import MalformedRequest

MAX_VARIABLES = 16
"""In one expression."""
MAX_PREFIX = 100
"""Characters of a value that a prefix modifier (RFC 6570 §2.4.1) leaves."""

UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
RESERVED = frozenset(":/?#[]@!$&'()*+,;=")
HEX = Characters(frozenset(string.hexdigits))
PERCENT = Characters(frozenset("%"))

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_VARIABLE = re.compile(r"((?:[A-Za-z0-9_.]|%[0-9A-Fa-f]{2})+)(?:(\*)|:([1-9][0-9]{0,3}))?")


class _Operator(NamedTuple):
    """RFC 6570, appendix A."""

    first: str
    separator: str
    named: bool
    reserved: bool


_OPERATORS = {
    "": _Operator("", ",", named=False, reserved=False),
    "+": _Operator("", ",", named=False, reserved=True),
    "#": _Operator("#", ",", named=False, reserved=True),
    ".": _Operator(".", ".", named=False, reserved=False),
    "/": _Operator("/", "/", named=False, reserved=False),
    ";": _Operator(";", ";", named=True, reserved=False),
    "?": _Operator("?", "&", named=True, reserved=False),
    "&": _Operator("&", "&", named=True, reserved=False),
}


class _Variable(NamedTuple):
    name: str
    exploded: bool
    prefix: int | None


def literal_prefix(template: str) -> str:
    """What every expansion begins with."""
    return template.partition("{")[0]


def compile_template(template: str) -> Automaton:
    """What says whether a text may be an expansion. Raises ``MalformedRequest``."""
    builder = Builder()
    parts: list[Part] = []
    beginning = literal_prefix(template)
    at = len(beginning)
    if "}" in beginning:
        raise _wrong(template)
    for found in _EXPRESSION.finditer(template):
        parts.append(_literal(builder, template, template[at : found.start()]))
        parts.append(_expression(builder, template, _OPERATORS[found[1]], found[2]))
        at = found.end()
    parts.append(_literal(builder, template, template[at:]))
    return builder.build(builder.all(parts), beginning)


def _literal(builder: Builder, template: str, text: str) -> Part:
    if "{" in text or "}" in text:
        raise _wrong(template)
    return builder.text(text)


def _wrong(template: str) -> MalformedRequest:
    return MalformedRequest(f"{template[:100]!r} is no URI template (RFC 6570).")


def _expression(builder: Builder, template: str, operator: _Operator, inside: str) -> Part:
    variables = [_variable(template, text) for text in inside.split(",")]
    if len(variables) > MAX_VARIABLES:
        raise MalformedRequest(f"An expression has at most {MAX_VARIABLES} variables.")
    defined = _value(builder, operator, variables[0])
    for variable in variables[1:]:
        separator = builder.text(operator.separator)
        value = _value(builder, operator, variable)
        both = builder.all((defined, builder.maybe(builder.all((separator, value)))))
        # It stands in one place, whether it is the first that is defined or not: the language
        # behind it is the same.
        defined = builder.any((both, value))
    return builder.maybe(builder.all((builder.text(operator.first), defined)))


def _variable(template: str, text: str) -> _Variable:
    found = _VARIABLE.fullmatch(text)
    if found is None:
        raise _wrong(template)
    prefix = int(found[3]) if found[3] else None
    if prefix is not None and prefix > MAX_PREFIX:
        raise MalformedRequest(f"A prefix modifier is at most {MAX_PREFIX}.")
    return _Variable(found[1], found[2] is not None, prefix)


def _value(builder: Builder, operator: _Operator, variable: _Variable) -> Part:
    if not variable.exploded:
        return _named(builder, operator, variable)
    first = _named(builder, operator, variable)
    separator = builder.text(operator.separator)
    return builder.all(
        (first, builder.often(builder.all((separator, _named(builder, operator, variable)))))
    )


def _named(builder: Builder, operator: _Operator, variable: _Variable) -> Part:
    """A value, with its name where the operator wants it."""
    allowed = UNRESERVED | (RESERVED if operator.reserved else {","})
    if variable.exploded and not operator.named:
        allowed |= {"="}  # of an association
    plain = Characters(allowed)

    def character() -> Part:
        encoded = (builder.one(PERCENT), builder.one(HEX), builder.one(HEX))
        return builder.any((builder.one(plain), builder.all(encoded)))

    value = builder.times(character, 0, variable.prefix)
    if not operator.named:
        return value
    name = builder.text(variable.name)
    if variable.exploded:
        key = builder.often(builder.one(Characters(UNRESERVED | {"%"})))
        name = builder.any((name, key))
    assigned = builder.all((builder.text("="), value))
    if operator.first == ";":  # an empty value goes without the sign
        assigned = builder.maybe(assigned)
    return builder.all((name, assigned))
