"""Ways to invert a face. To add one: write a module with an `Inverter` and add a row here."""

from __future__ import annotations

from collections.abc import Callable

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
    "Networks",
    "OnStep",
    "Optimisation",
    "ReStyle",
]

METHODS: dict[str, Callable[..., Inverter]] = {
    "encoder": EncoderOnly,
    "hyperstyle": HyperStyleInverter,
    "restyle": ReStyle,
    "w": lambda networks, **options: Optimisation(networks, "w", **options),
    "w+": lambda networks, **options: Optimisation(networks, "w+", **options),
    "pti": PTI,
    "hyperstyle+pti": lambda networks, **options: PTI(networks, HyperStyleInverter(networks), **options),
}
"""Name -> factory; the first argument is the domain's networks, further ones are the method's own."""
