"""Ways to invert a face. To add one: write a module with an `Inverter` and add a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperstyle.inversion.base import Inverter, Networks, OnStep
from hyperstyle.inversion.encoder_only import EncoderOnly
from hyperstyle.inversion.hyperstyle import HyperStyleInverter
from hyperstyle.inversion.idinvert import IDInvert
from hyperstyle.inversion.optimisation import Optimisation
from hyperstyle.inversion.pti import PTI
from hyperstyle.inversion.restyle import ReStyle

__all__ = [
    "METHODS",
    "PTI",
    "EncoderOnly",
    "HyperStyleInverter",
    "IDInvert",
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
        needs: Name of the encoder it needs beside the networks that every domain has; see `Domain.baselines`.
    """

    make: Callable[..., Inverter]
    label: str
    about: str
    source: str
    descends: bool = False
    needs: str = ""

    def __call__(self, networks: Any, *needed: Any, **options: Any) -> Inverter:
        """Make it ready for a domain's networks, followed by the encoder that it `needs`."""
        return self.make(networks, *needed, **options)


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
    "psp": Method(
        ReStyle,
        "pSp",
        "One pass of an encoder with a latent for each layer: close for an encoder, but edits go wrong sooner.",
        "pSp (arXiv 2008.00951)",
        needs="psp",
    ),
    "e4e": Method(
        ReStyle,
        "e4e",
        "Like pSp, but held near latents that edit well.",
        "e4e (arXiv 2102.02766)",
        needs="e4e",
    ),
    "restyle-psp": Method(
        ReStyle,
        "ReStyle, pSp",
        "An encoder that looks at its own result and corrects its latent a few times; the generator stays as it is.",
        "ReStyle (arXiv 2104.02699)",
        needs="restyle-psp",
    ),
    "restyle-e4e": Method(
        ReStyle,
        "ReStyle, e4e",
        "ReStyle held near latents that edit well.",
        "ReStyle (arXiv 2104.02699)",
        needs="restyle-e4e",
    ),
    "idinvert": Method(
        IDInvert,
        "IDInvert",
        "Descends from pSp's latents, held where the encoder would look for the picture: slow.",
        "In-Domain GAN Inversion (arXiv 2004.00049)",
        descends=True,
        needs="psp",
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
