"""What a foreign file probably is, judged by the names in it: for messages that help.

Mixing up encoders is the most frequent mistake with these files: the public e4e encoder is not HyperStyle's W encoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hyperstyle.errors import ForeignWeights


def describe(content: Any) -> str:
    """Say what a file's content probably is, as the end of a sentence: "this is ..."."""
    if not isinstance(content, Mapping):
        return "something else"
    if "g_ema" in content or "G_ema" in content:
        return "a StyleGAN2 generator"
    if {"mean", "comp", "std"} <= set(content):
        return "a set of GANSpace components"
    names = content.get("state_dict", content)
    if not isinstance(names, Mapping):
        return "something else"
    keys = [str(name) for name in names]
    if any(key.startswith("hypernet.") for key in keys):
        return "a HyperStyle checkpoint"
    if any(key.startswith("module.encoder_q.") for key in keys):
        return "a MoCo network"
    if any(key.startswith("encoder.") for key in keys):
        return _encoder(names, "encoder.", content.get("opts"))
    if any(key.startswith("discriminator.") for key in keys) and len(keys) < 60:
        return "a discriminator"
    if any(key.startswith("output_layer.") for key in keys):
        deep = any(key.startswith("body.40.") for key in keys)
        return "the CurricularFace network" if deep else "the face recognition network IR-SE50"
    if any(key.startswith("convs.0.conv.") for key in keys):
        return "a StyleGAN2 generator"
    if any(key.startswith("lin") and key.endswith("model.1.weight") for key in keys):
        return "LPIPS weights"
    if any(key.startswith(("input_layer.", "body.")) for key in keys):
        return _encoder(names, "", None)
    return "something else"


def _encoder(names: Mapping[str, Any], prefix: str, opts: Any) -> str:
    """Tell the encoders apart: by their heads, the pictures they look at, and what their options say."""
    stem = names.get(f"{prefix}input_layer.0.weight", names.get(f"{prefix}conv1.weight"))
    restyle = isinstance(stem, Tensor) and stem.shape[1] == 6
    rows = any(re.match(re.escape(prefix) + r"styles\.\d+\.", str(name)) for name in names)
    if not rows:
        return "a W encoder"
    if restyle:
        return "a ReStyle encoder"
    options = opts if isinstance(opts, Mapping) else vars(opts) if hasattr(opts, "__dict__") else {}
    if options.get("encoder_type") == "GradualStyleEncoder":
        return "the public pSp encoder"
    if options.get("encoder_type") == "Encoder4Editing" or "stylegan_size" in options:
        return "the public e4e encoder"
    return "a pSp or e4e encoder"


def refuse(path: str | Path, content: Any, needed: str) -> ForeignWeights:
    """Make the error for a file that is something else.

    Args:
        path: The file.
        content: What was read from it.
        needed: What was needed instead, with the usual file name.
    """
    return ForeignWeights(f"The file {path} does not fit: this is {describe(content)}; what is needed is {needed}.")
