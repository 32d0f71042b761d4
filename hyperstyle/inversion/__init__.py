"""Ways to invert a face. To add one: write a module with an `Inverter` and add a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperstyle.inversion.base import Inverter, Networks, OnStep
from hyperstyle.inversion.encoder_only import EncoderOnly
from hyperstyle.inversion.hyperstyle import HyperStyleInverter
from hyperstyle.inversion.optimisation import Optimisation
from hyperstyle.inversion.pti import PTI
from hyperstyle.inversion.restyle import ReStyle

__all__ = [
    "METHODS",
    "PTI",
    "EncoderOnly",
    "HyperStyleInverter",
    "Inverter",
    "Method",
    "Networks",
    "OnStep",
    "Optimisation",
    "ReStyle",
]


@dataclass(frozen=True)
class Method:
    """One way to invert a face.

    Attributes:
        make: Called with the domain's networks, and the method's own options by keyword.
        label: What people read.
        about: One sentence: what it gives, what it costs.
        source: Where it was published.
        descends: Whether it needs gradients, hence the plain networks, and takes long.
        needs: Networks it needs beside those every domain has.
    """

    make: Callable[..., Inverter]
    label: str
    about: str
    source: str
    descends: bool = False
    needs: tuple[str, ...] = ()

    def __call__(self, networks: Any, **options: Any) -> Inverter:
        """Make it ready for a domain's networks."""
        return self.make(networks, **options)


METHODS: dict[str, Method] = {
    "encoder": Method(
        EncoderOnly,
        "Encoder",
        "One pass of the encoder: fast and easy to edit, only roughly this person.",
        "e4e (arXiv 2102.02766), into W",
    ),
    "hyperstyle": Method(
        HyperStyleInverter,
        "HyperStyle",
        "The encoder, then a few passes that adjust the generator's weights: close, editable and fast.",
        "HyperStyle (arXiv 2111.15666)",
    ),
    "restyle": Method(
        ReStyle,
        "ReStyle",
        "An encoder that corrects its own latent a few times; the generator stays as it is.",
        "ReStyle (arXiv 2104.02699), pSp (2008.00951), e4e (2102.02766)",
        needs=("style_encoder",),
    ),
    "w": Method(
        lambda networks, **options: Optimisation(networks, "w", **options),
        "Optimisation in W",
        "Descends to one latent for all layers: slow, editable, only roughly this person.",
        "StyleGAN2 (arXiv 1912.04958)",
        descends=True,
    ),
    "w+": Method(
        lambda networks, **options: Optimisation(networks, "w+", **options),
        "Optimisation in W+",
        "Descends to a latent for each layer: slow and close, but edits go wrong sooner.",
        "Image2StyleGAN (arXiv 1904.03189)",
        descends=True,
    ),
    "pti": Method(
        PTI,
        "PTI",
        "Descends to a latent, then tunes the generator for this face: slow and very close.",
        "PTI (arXiv 2106.05744)",
        descends=True,
    ),
    "hyperstyle+pti": Method(
        lambda networks, **options: PTI(networks, HyperStyleInverter(networks), **options),
        "HyperStyle, tuned",
        "HyperStyle, then tuned a little further for this face: slow, the closest.",
        "HyperStyle (arXiv 2111.15666) and PTI (2106.05744)",
        descends=True,
    ),
}
"""By name, as `--method` and `--methods` take them."""
