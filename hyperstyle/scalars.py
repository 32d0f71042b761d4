"""One number, whichever library it comes from."""

from __future__ import annotations

from typing import Any


def plain_scalar(value: Any) -> Any:
    """Python's own number for numpy's scalars and for arrays and tensors without dimensions; all else as it is."""
    # Told by what they can do, so that whoever counts and checks need not import both libraries.
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def is_number(value: Any) -> bool:
    """Whether this is a number of Python's, also one that is not finite; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
