"""Edit faces through a StyleGAN2 generator that HyperStyle has fitted to them.

Start with `hyperstyle.load()` and `pipeline.py`. Names are looked up on first use, so `import hyperstyle` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hyperstyle.version import VERSION

if TYPE_CHECKING:
    from hyperstyle.domains import list_domains
    from hyperstyle.latents import Inversion
    from hyperstyle.look import Look, TextEdit
    from hyperstyle.pipeline import HyperStyle, list_edits, load
    from hyperstyle.recipes import Recipe

__version__ = VERSION
__all__ = ["HyperStyle", "Inversion", "Look", "Recipe", "TextEdit", "list_domains", "list_edits", "load"]

_HOMES = {
    "HyperStyle": "hyperstyle.pipeline",
    "Inversion": "hyperstyle.latents",
    "Look": "hyperstyle.look",
    "Recipe": "hyperstyle.recipes",
    "TextEdit": "hyperstyle.look",
    "list_domains": "hyperstyle.domains",
    "list_edits": "hyperstyle.pipeline",
    "load": "hyperstyle.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperstyle' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
