"""Sizes of a network as plain data: from a JSON object to a frozen dataclass, with a clear error for what is odd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from hyperstyle.errors import ShapeMismatch, did_you_mean

Config = TypeVar("Config")

# Above this, a size is a slip of the keyboard that would only run out of memory.
LARGEST = 2**20


def build_config(kind: type[Config], values: Mapping[str, Any], what: str) -> Config:
    """Build a dataclass from plain data; lists become tuples and objects become nested dataclasses.

    Args:
        kind: The dataclass; its fields are numbers, texts, choices, tuples, mappings or dataclasses again.
        values: Field values by name.
        what: What the sizes belong to, for the message ("W encoder").

    Raises:
        ShapeMismatch: A field is unknown, missing or of the wrong type, or the sizes contradict each other.
    """
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    rows = {row.name: row for row in fields(kind)}
    for name in values:
        if name not in rows:
            raise ShapeMismatch(f"The sizes of the {what} have an unknown field '{name}'; {did_you_mean(name, rows)}")
    for name, row in rows.items():
        if name not in values and row.default is MISSING and row.default_factory is MISSING:
            raise ShapeMismatch(f"The sizes of the {what} lack the field '{name}'.")
    return kind(**{name: _read(value, hints[name], name, what) for name, value in values.items()})


def plain_config(config: object) -> dict[str, Any]:
    """Return a config as plain data that JSON can hold; `build_config` reads it back."""
    assert is_dataclass(config)
    assert not isinstance(config, type)
    return asdict(config)


def _read(value: Any, hint: Any, name: str, what: str) -> Any:
    """Turn one value into what the field's type asks for."""
    words = "understood"
    if is_dataclass(hint):
        if isinstance(value, Mapping):
            return build_config(hint, value, what)  # type: ignore[arg-type]
        words = "an object"
    elif get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_read(item, get_args(hint)[0], name, what) for item in value)
        words = "a list"
    elif get_origin(hint) is Mapping:
        if isinstance(value, Mapping):
            # JSON has text keys only; a number comes back as one.
            return {
                _read_key(key, name, what): _read(item, get_args(hint)[1], name, what) for key, item in value.items()
            }
        words = "an object"
    elif get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        words = f"one of {', '.join(str(choice) for choice in get_args(hint))}"
    elif hint is bool or hint is str:
        if isinstance(value, hint):
            return value
        words = "true or false" if hint is bool else "text"
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
            return value
        words = f"a whole number from 0 to {LARGEST}"
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < LARGEST:
            return float(value)
        words = "a positive number"
    raise ShapeMismatch(f"The sizes of the {what}: '{name}' must be {words}, not {value!r:.40}.")


def _read_key(key: Any, name: str, what: str) -> int:
    """Turn a mapping's key into the number it stands for."""
    if str(key).isdecimal():
        return int(key)
    raise ShapeMismatch(f"The sizes of the {what}: the keys of '{name}' must be whole numbers, not {key!r:.40}.")
