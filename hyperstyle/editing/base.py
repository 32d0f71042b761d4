"""What an edit is: a row for a slider, and how strong it may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperstyle.errors import BadStrength
from hyperstyle.scalars import is_number, plain_scalar

ABSURD_FACTOR = 4.0
"""A strength may leave an edit's believable range, but not by more than this factor: that is a mistyped number."""

TEXT_STRENGTH_LIMIT = 30.0
"""Largest magnitude of a prompt's strength; the published demo's slider ends at 25."""

DEFAULT_DISENTANGLEMENT = 0.1
"""For a domain whose prompts were never tried; about what the published demo starts with."""


@dataclass(frozen=True)
class EditRow:
    """One slider: a direction in the generator's latent space with everything that was measured about it.

    Attributes:
        name: Key used by the command line, recipes and code.
        label: What the page calls it.
        group: Heading it stands under: pose, expression, identity, hair, accessories or scene.
        unit: True unit of the property it changes, for example "years".
        minimum, maximum: Strengths between which edited faces stay believable. Strength 1 is one standard deviation of
            `w` along the direction.
        step: Sensible step of a slider.
        description: One line of help.
        effect_per_unit: Measured change of the property, in `unit`, per strength 1.
        leak: Parameter -> measured change per strength 1, in that parameter's standard deviations; large ones only.
        space: "w" (one vector for all layers) or "w+" (one per layer).
        conditioned_on: Properties the conditioned vector was told to leave alone; empty if there is no such vector.
        plain_effect_per_unit, plain_leak: The same two measurements for the vector before conditioning.
        norm: Length of the default vector in `space`.
        source: Method and paper.
        domain: Domain it was made for.
        file: Tensor file beside the manifest.
        sha256: Checksum of that file.
    """

    name: str
    label: str
    group: str
    unit: str
    minimum: float
    maximum: float
    step: float = 0.1
    description: str = ""
    effect_per_unit: float = 0.0
    leak: Mapping[str, float] = field(default_factory=dict)
    space: str = "w"
    conditioned_on: tuple[str, ...] = ()
    plain_effect_per_unit: float = 0.0
    plain_leak: Mapping[str, float] = field(default_factory=dict)
    norm: float = 0.0
    source: str = ""
    domain: str = ""
    file: str = ""
    sha256: str = ""


def check_strength(what: str, strength: float, lowest: float, highest: float) -> float:
    """Return a strength as a float, or refuse it.

    Args:
        what: Start of the sentence, for example "The strength of 'smile'".
        strength: The number to check.
        lowest: Smallest value allowed.
        highest: Largest value allowed.

    Raises:
        BadStrength: Not a finite number, or outside.
    """
    strength = plain_scalar(strength)
    if not is_number(strength) or not math.isfinite(strength):
        raise BadStrength(f"{what} must be an ordinary number between {lowest:g} and {highest:g}, not {strength}.")
    if not lowest <= strength <= highest:
        raise BadStrength(f"{what} must lie between {lowest:g} and {highest:g}, not {strength:g}.")
    return float(strength)
