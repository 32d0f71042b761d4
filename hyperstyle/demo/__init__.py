"""The page: a thin shell over the pipeline. `create_demo` builds it, `launch` serves it."""

from __future__ import annotations

from hyperstyle.demo.layout import create_demo
from hyperstyle.demo.serve import check_port, launch

__all__ = ["check_port", "create_demo", "launch"]
