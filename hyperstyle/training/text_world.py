"""The world that text is learnt in: what pictures show, what captions can say of it, and which latents draw it.

Stages `clip` and `relevance` are the same for drawn portraits, where parameters are known, and for photographs
(`training.photo_captions`), where labels are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hyperstyle.models.stylegan2 import Generator
from hyperstyle.synthetic import captions, parameters
from hyperstyle.training.directions import map_all
from hyperstyle.traits import Trait

Values = dict[str, Tensor]
"""What pictures show: name -> (N,) in its unit, NaN where unknown."""


@dataclass(frozen=True)
class Candidate:
    """A prompt worth trying and the trait it should move.

    Attributes:
        prompt: The prompt.
        parameter: The trait's name.
        sign: 1 if the prompt asks for more of it, -1 for less.
    """

    prompt: str
    parameter: str
    sign: int = 1


class TextWorld(ABC):
    """What the stages need to know of a kind of picture.

    Attributes:
        sayings: What captions can say.
        traits: The attribute network's columns.
        candidates: Prompts that are tried.
    """

    sayings: Sequence[captions.Trait]
    traits: Sequence[Trait]
    candidates: Sequence[Candidate]

    @abstractmethod
    def truth(self, values: Values) -> Tensor:
        """Judge every saying of every picture: (N, sayings) int8, 1 true, 0 not counted, -1 plainly false."""

    @abstractmethod
    def columns(self, values: Values) -> Tensor:
        """What an attribute network should read: (N, T), NaN where unknown."""

    @abstractmethod
    def mirror(self, values: Values) -> Values:
        """What the mirrored pictures show."""

    @abstractmethod
    def latents(self, generator: Generator, n: int, seed: int, truncation_psi: float = 1.0) -> Tensor:
        """At most `n` latents (N, w_dim) that stand for all that the generator draws, on the CPU.

        Args:
            generator: In evaluation mode.
            n: How many, at most.
            seed: Same seed, same latents.
            truncation_psi: 1 leaves them alone; smaller values pull them towards `w_avg`.
        """

    @abstractmethod
    def faces(self, generator: Generator, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """At most `n` latents of other faces, to try prompts on, and (T,) each column's standard deviation."""


class DrawnWorld(TextWorld):
    """The portraits renderer's world: a generator's inputs are its parameters."""

    sayings = captions.TRAITS
    traits = parameters.TRAITS
    candidates = (
        Candidate("a smiling face", "smile"),
        Candidate("a sad face", "smile", -1),
        Candidate("a face with an open mouth", "mouth_open"),
        Candidate("a face with closed eyes", "eyes_open", -1),
        Candidate("a face with a beard", "beard"),
        Candidate("a face with a moustache", "moustache"),
        Candidate("a face with glasses", "glasses"),
        Candidate("an old face", "age"),
        Candidate("a young face", "age", -1),
        Candidate("a woman", "femininity"),
        Candidate("a man", "femininity", -1),
        Candidate("a face with long hair", "hair_length"),
        Candidate("a face with short hair", "hair_length", -1),
        Candidate("a face with curly hair", "hair_curl"),
        Candidate("a face with blond hair", "hair_shade"),
        Candidate("a face with black hair", "hair_shade", -1),
        Candidate("a face with red hair", "hair_red"),
        Candidate("a face with grey hair", "hair_grey"),
        Candidate("a face with a fringe", "fringe"),
        Candidate("a face with dark skin", "skin_tone"),
        Candidate("a face with pale skin", "skin_tone", -1),
        Candidate("a face with red lipstick", "lip_colour"),
        Candidate("a face with blue eyes", "eye_colour"),
        Candidate("a face with thick eyebrows", "brow_thickness"),
        Candidate("a face with a big nose", "nose_width"),
        Candidate("a face with a wide face", "face_width"),
        Candidate("a face with a square jaw", "jaw"),
        Candidate("a face turned to the left", "yaw", -1),
        Candidate("a face turned to the right", "yaw"),
        Candidate("a face lit from the left", "light_x", -1),
    )

    def truth(self, values: Values) -> Tensor:
        """See `TextWorld`."""
        return captions.trait_truth(values)

    def columns(self, values: Values) -> Tensor:
        """See `TextWorld`."""
        return parameters.to_z(values)

    def mirror(self, values: Values) -> Values:
        """See `TextWorld`."""
        return parameters.mirror(values)

    def latents(self, generator: Generator, n: int, seed: int, truncation_psi: float = 1.0) -> Tensor:
        """See `TextWorld`."""
        return map_all(generator, parameters.to_z(parameters.sample_parameters(n, seed)), truncation_psi)

    def faces(self, generator: Generator, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """See `TextWorld`."""
        people = parameters.sample_parameters(SPREAD_SAMPLES, seed + 10**6)
        few = parameters.select(people, slice(n))
        return map_all(generator, parameters.to_z(few)), parameters.to_z(people).std(0)


DRAWN = DrawnWorld()
SPREAD_SAMPLES = 2000
