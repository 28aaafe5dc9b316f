"""Makes the option class of a section of `settings.toml`: a frozen pydantic dataclass whose errors are one line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from badexp_assets.errors import InputError

T = TypeVar("T")

# True is no whole number and "3" no number; nan is none, and infinity only where a field allows it.
_CONFIG = ConfigDict(
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    use_attribute_docstrings=True,
    hide_input_in_errors=True,  # a value may be a URL with a secret, and tracebacks are logged
)
_NOUNS = {
    "boolean": ("true or false", "truth values"),
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("a text", "texts"),
    "object": ("a section", "sections"),
}


def _as_given(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


AS_GIVEN = WrapValidator(_as_given)
"""Keeps a whole number where a number is allowed: fingerprints of stored tables contain it as it was written."""
Number = Annotated[float, AS_GIVEN]
NumberOrInfinity = Annotated[float, Field(allow_inf_nan=True), AS_GIVEN]
Share = Annotated[float, Field(ge=0, le=1), AS_GIVEN]
Listed = Annotated[tuple[T, ...], Strict(False)]
"""A tuple, which may be given as a list."""
Seed = Annotated[int, Field(ge=0)]
Seed32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed of scikit-learn."""


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def section(name: str) -> Callable[[type[T]], type[T]]:
    """Make a class the options of the section `name`: frozen, checked when made, described by its docstrings.

    Making it raises InputError, one line that names the section, each wrong option, what was found and what is allowed.
    """

    def decorate(cls: type[T]) -> type[T]:
        made: Any = pydantic_dataclass(cls, config=_CONFIG, frozen=True)
        check: Callable[..., None] = made.__init__

        @functools.wraps(check)
        def init(self: Any, *args: Any, **given: Any) -> None:
            try:
                check(self, *args, **given)
            except ValidationError as error:
                raise InputError(f"[{name}]: {_problems(type(self), error)}") from error

        made.__init__ = init
        return made

    return decorate


def option_schemas(kind: type) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each option of a class that `section` has made."""
    return TypeAdapter(kind).json_schema()["properties"]


def allowed(schema: Mapping[str, Any], plural: bool = False) -> str:
    """Say in words what a JSON schema allows, such as `a whole number of at least 2`."""
    schema = schema.get("anyOf", [schema])[0]
    if "enum" in schema:
        return f"{'any' if plural else 'one'} of {', '.join(schema['enum'])}"
    if schema.get("type") == "array":
        least = schema.get("minItems")
        few = "a list, not empty, of" if least else "a list of"
        few = f"a list of {least}" if least and least == schema.get("maxItems") else few
        return f"{few} {allowed(schema['items'], plural=True)}"
    words = [_NOUNS[schema["type"]][plural]]
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        words.append(f"from {low:g} to {high:g}" if high < 1e6 else f"from {low:g} to {high}")
    else:
        limits = (("of at least", low), ("above", above), ("at most", high), ("below", below))
        found = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
        words += [" and ".join(found)] if found else []
    return " ".join(words)


def _problems(kind: type, error: ValidationError) -> str:
    found = error.errors(include_url=False)
    unknown = sorted(str(e["loc"][0]) for e in found if e["type"] == "unexpected_keyword_argument")
    if unknown:
        known = [field.name for field in fields(kind)]
        return f"unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}"
    problems: dict[str, str] = {}  # the first of each option
    schemas = option_schemas(kind)
    for e in found:
        name = str(e["loc"][0]) if e["loc"] else ""
        if e["type"] == "value_error":  # of a validator, whose message is a whole sentence
            problems.setdefault(name, str(e["ctx"]["error"]))
        elif e["type"] in ("missing", "missing_argument"):
            problems.setdefault(name, f"{name} is missing; {allowed(schemas[name])} is needed")
        elif e["type"] in ("unexpected_positional_argument", "multiple_argument_values"):
            problems.setdefault(name, f"{name}: {e['msg']}")
        else:
            verb = "has" if len(e["loc"]) > 1 else "is"
            problems.setdefault(name, f"{name} {verb} {e['input']!r}; {allowed(schemas[name])} is needed")
    return "; ".join(problems.values())
