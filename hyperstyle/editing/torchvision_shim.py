"""Import open_clip next to a CPU build of PyTorch.

open_clip imports torchvision. The package index has one torchvision wheel per platform, built against CUDA; next to
a CPU PyTorch its native library cannot be loaded, so nobody declares the operators `torchvision::nms` and
`torchvision::qnms`, yet torchvision describes their output shapes in Python unconditionally and the import fails with
"operator torchvision::nms does not exist". Declaring the two schemas, without any implementation, is all that import
needs: nothing here ever calls them.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import torch

from hyperstyle.errors import extra_missing

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A declaration lives as long as its Library object.
_declared: list[torch.library.Library] = []


def declare_torchvision_operators() -> list[str]:
    """Declare the operators torchvision's import needs, where its own library has not.

    Returns:
        Names of the operators declared by this call; empty when nothing was missing.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.submodule_search_locations is None:
        return []
    # Ask the native library first: once it is loaded it declares its operators itself, and a second declaration is an
    # error in either order.
    for folder in spec.submodule_search_locations:
        for library in sorted(Path(folder).glob("_C*.*")):
            try:
                torch.ops.load_library(str(library))
            except OSError:
                continue
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        for name in missing:
            fragment.define(_SCHEMAS[name])
        _declared.append(fragment)
    return missing


def import_open_clip() -> ModuleType:
    """Import open_clip, with torchvision's operators declared first.

    Raises:
        ExtraMissing: open_clip is not installed.
    """
    declare_torchvision_operators()
    with warnings.catch_warnings():
        # Deprecations inside other packages are not this project's to report, nor a user's to read.
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("open_clip")
        except ModuleNotFoundError:
            raise extra_missing("Editing by words", "text") from None
