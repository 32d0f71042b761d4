"""The page: a thin shell over the pipeline. `create_demo` builds it, `serve` and `launch` serve it.

Names are looked up on first use, so that `app.py` can answer a wrong flag or a taken port before gradio is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hyperstyle.errors import extra_missing

if TYPE_CHECKING:
    from hyperstyle.demo.first_start import get_weights
    from hyperstyle.demo.layout import create_demo
    from hyperstyle.demo.serving import launch, serve

__all__ = ["create_demo", "get_weights", "launch", "serve"]

_HOMES = {
    "get_weights": "hyperstyle.demo.first_start",
    "create_demo": "hyperstyle.demo.layout",
    "launch": "hyperstyle.demo.serving",
    "serve": "hyperstyle.demo.serving",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperstyle.demo' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("gradio"):
            raise extra_missing("The page", "demo") from None
        raise
