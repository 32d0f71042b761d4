"""Say in words what a portrait shows.

A *trait* is something a person would mention ("glasses", "long hair", "looking left"), with the parameter values for
which it is true. A caption mentions a random few of a portrait's true traits in varied wording. Each trait also has
values for which it is plainly false and a grey zone between, so training knows which captions fit which pictures.

Left and right are those of the picture: `yaw` above zero turns the face toward the picture's right side, `pitch` above
zero bows it, and the gaze follows the same signs.

How captions are written from traits is the same for every kind of picture (`training.photo_captions` lists those of
photographs): functions take the list of traits, and these ones by default.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperstyle.synthetic.parameters import PARAMETERS, Parameters

Slot = str
"""Where a phrase goes: "adjective" (before the noun), "noun", "hair" (before "hair"), "with" (after "with"),
"without" (a whole negative phrase), "doing" (after the noun) or "place" (at the end)."""

Derived = Mapping[str, Callable[[Parameters], Tensor]]
"""Numbers people see directly, made of several values."""

DERIVED: Derived = {
    # Where somebody looks is head and eyes together; 25 degrees of head count as much as the eyes can do.
    "look_x": lambda p: p["yaw"] / 25 + 0.8 * p["gaze_x"],
    # Both count downwards in the picture, as its rows do.
    "look_y": lambda p: p["pitch"] / 11 + 0.8 * p["gaze_y"],
    # Grey hides the colour underneath; red is a tint of it.
    "ginger": lambda p: p["hair_red"] * (1 - p["hair_grey"]),
    "facial_hair": lambda p: torch.maximum(p["beard"], p["moustache"]),
}


@dataclass(frozen=True)
class Range:
    """A condition on one parameter.

    Attributes:
        name: A value's or a derived number's name.
        low, high: True inside.
        margin: Plainly false farther outside than this; between, neither true nor false.
        turn: Period of an angle (360), or 0 for an ordinary number. `low` may then exceed `high`.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    margin: float = 0.1
    turn: float = 0.0

    def truth(self, value: Tensor) -> Tensor:
        """Judge every value: 1 true, 0 in between or unknown (NaN), -1 plainly false, as int8 of the same shape."""
        if self.turn:
            centre, half = self.low + ((self.high - self.low) % self.turn) / 2, ((self.high - self.low) % self.turn) / 2
            outside = ((value - centre + self.turn / 2) % self.turn - self.turn / 2).abs() - half
        else:
            outside = torch.maximum(self.low - value, value - self.high)
        return (outside <= 0).to(torch.int8) - (outside > self.margin).to(torch.int8)


@dataclass(frozen=True)
class Trait:
    """Something a caption can say.

    Attributes:
        name: Unique key.
        about: What it is about; a caption says at most one thing about each subject.
        slot: Where its phrases go in a sentence.
        phrases: Ways to say it; each is as good as the others.
        conditions: All must hold.
        weight: How readily it is mentioned; things that stand out get more.
    """

    name: str
    about: str
    slot: Slot
    phrases: tuple[str, ...]
    conditions: tuple[Range, ...]
    weight: float = 1.0


def _more(name: str, low: float, margin: float = 0.1) -> Range:
    return Range(name, low=low, margin=margin)


def _less(name: str, high: float, margin: float = 0.1) -> Range:
    return Range(name, high=high, margin=margin)


def _between(name: str, low: float, high: float, margin: float = 0.1) -> Range:
    return Range(name, low, high, margin)


# Names of colours that fill a large area: name -> hue from, hue to (degrees).
_HUES: dict[str, tuple[float, float]] = {
    "red": (345, 15),
    "orange": (22, 42),
    "yellow": (48, 66),
    "green": (80, 160),
    "blue": (195, 255),
    "purple": (265, 298),
    "pink": (305, 338),
}
_BALD = _more("hairline", 0.78)
_NOT_BALD = _less("hairline", 0.7)
_MASCULINE = _less("femininity", 0.4, 0.15)


def _coloured(subject: str, about: str, noun: tuple[str, ...], saturation: float) -> tuple[Trait, ...]:
    """Traits for the colour of something large."""

    def phrases(*colours: str) -> tuple[str, ...]:
        return tuple(f"{colour} {word}" for word in noun for colour in colours)

    hue, strength, light = f"{subject}_hue", f"{subject}_saturation", f"{subject}_light"
    rows = [
        Trait(
            f"{name} {about}",
            about,
            "place",
            phrases(name),
            (Range(hue, low, high, 22, turn=360), _more(strength, saturation, 0.12), _between(light, 0.28, 0.86, 0.1)),
        )
        for name, (low, high) in _HUES.items()
    ]
    rows += [
        Trait(f"black {about}", about, "place", phrases("black", "dark"), (_less(light, 0.25),)),
        Trait(f"white {about}", about, "place", phrases("white", "light", "bright"), (_more(light, 0.83),)),
        Trait(
            f"grey {about}",
            about,
            "place",
            phrases("grey"),
            (_less(strength, 0.1), _between(light, 0.3, 0.75)),
        ),
    ]
    return tuple(rows)


TRAITS: tuple[Trait, ...] = (
    # Who
    Trait("woman", "gender", "noun", ("woman", "lady", "female person"), (_more("femininity", 0.62, 0.15),), 2.5),
    Trait("man", "gender", "noun", ("man", "guy", "male person"), (_less("femininity", 0.38, 0.15),), 2.5),
    Trait("feminine", "gender", "adjective", ("feminine",), (_more("femininity", 0.7, 0.15),), 0.7),
    Trait("masculine", "gender", "adjective", ("masculine",), (_less("femininity", 0.3, 0.15),), 0.7),
    Trait("young", "age", "adjective", ("young", "youthful"), (_less("age", 31, 8),), 1.8),
    Trait("middle-aged", "age", "adjective", ("middle aged",), (_between("age", 42, 56, 7),), 1.0),
    Trait("old", "age", "adjective", ("old", "elderly", "aged", "senior"), (_more("age", 63, 9),), 1.8),
    Trait("wrinkles", "age", "with", ("wrinkles", "wrinkled skin", "lines in the face"), (_more("age", 63, 12),)),
    Trait("no wrinkles", "age", "without", ("without wrinkles", "with smooth skin"), (_less("age", 30, 8),), 0.5),
    # Expression
    Trait("smiling", "smile", "adjective", ("smiling", "happy", "cheerful"), (_more("smile", 0.55, 0.2),), 1.6),
    Trait("smile", "smile", "with", ("a smile", "a big smile", "a happy expression"), (_more("smile", 0.6, 0.2),), 1.3),
    Trait("sad", "smile", "adjective", ("sad", "unhappy", "frowning"), (_less("smile", -0.12, 0.2),), 1.4),
    Trait("frown", "smile", "with", ("a frown", "a sad expression"), (_less("smile", -0.15, 0.2),), 1.1),
    Trait("not smiling", "smile", "without", ("not smiling", "without a smile"), (_less("smile", 0.02, 0.25),), 0.7),
    Trait("open mouth", "mouth", "with", ("an open mouth", "the mouth open"), (_more("mouth_open", 0.45, 0.25),), 1.6),
    Trait("closed mouth", "mouth", "with", ("a closed mouth", "the mouth closed"), (_less("mouth_open", 0.05),), 0.7),
    Trait(
        "surprised",
        "mouth",
        "adjective",
        ("surprised", "astonished"),
        (_more("mouth_open", 0.5, 0.3), _more("brow_raise", 0.2, 0.3)),
        2.0,
    ),
    Trait("closed eyes", "eyes", "with", ("closed eyes", "the eyes closed"), (_less("eyes_open", 0.22, 0.2),), 3.0),
    Trait("sleeping", "eyes", "adjective", ("sleeping", "sleepy", "asleep"), (_less("eyes_open", 0.22, 0.2),), 2.0),
    Trait("wide eyes", "eyes", "with", ("wide open eyes", "open eyes"), (_more("eyes_open", 1.03, 0.15),), 1.0),
    Trait("raised brows", "brows up", "with", ("raised eyebrows",), (_more("brow_raise", 0.5, 0.3),)),
    Trait("lowered brows", "brows up", "with", ("lowered eyebrows",), (_less("brow_raise", -0.5, 0.3),)),
    # Head and gaze
    Trait(
        "turned right",
        "pose",
        "doing",
        ("turned to the right", "turned right", "facing right"),
        (_more("yaw", 13, 8),),
        1.3,
    ),
    Trait(
        "turned left",
        "pose",
        "doing",
        ("turned to the left", "turned left", "facing left"),
        (_less("yaw", -13, 8),),
        1.3,
    ),
    Trait("frontal", "pose", "doing", ("facing the camera", "facing forward"), (_between("yaw", -5, 5, 6),), 0.7),
    Trait(
        "looking right", "pose", "doing", ("looking right", "looking to the right"), (_more("look_x", 0.6, 0.4),), 1.3
    ),
    Trait("looking left", "pose", "doing", ("looking left", "looking to the left"), (_less("look_x", -0.6, 0.4),), 1.3),
    Trait("looking up", "nod", "doing", ("looking up", "looking upwards"), (_less("look_y", -0.65, 0.4),), 1.3),
    Trait("looking down", "nod", "doing", ("looking down", "looking downwards"), (_more("look_y", 0.65, 0.4),), 1.3),
    # Hair
    Trait("long hair", "hair length", "hair", ("long",), (_more("hair_length", 0.62, 0.15), _NOT_BALD), 1.6),
    Trait("short hair", "hair length", "hair", ("short",), (_less("hair_length", 0.22, 0.15), _NOT_BALD), 1.3),
    Trait("curly hair", "hair curl", "hair", ("curly", "wavy"), (_more("hair_curl", 0.55, 0.2), _NOT_BALD), 1.4),
    Trait("straight hair", "hair curl", "hair", ("straight", "smooth"), (_less("hair_curl", 0.08, 0.2), _NOT_BALD)),
    Trait(
        "big hair", "hair volume", "hair", ("voluminous", "thick"), (_more("hair_volume", 0.78, 0.2), _NOT_BALD), 0.8
    ),
    Trait("thin hair", "hair volume", "hair", ("thin", "flat"), (_less("hair_volume", 0.2, 0.2), _NOT_BALD), 0.6),
    Trait("bald", "hairline", "adjective", ("bald", "balding"), (_BALD,), 4.0),
    Trait(
        "receding",
        "hairline",
        "with",
        ("a receding hairline", "a high forehead"),
        (_more("hairline", 0.55, 0.15),),
        2.0,
    ),
    Trait("fringe", "fringe", "with", ("a fringe", "bangs"), (_more("fringe", 0.5, 0.3), _NOT_BALD), 1.3),
    Trait("no fringe", "fringe", "without", ("without a fringe", "without bangs"), (_less("fringe", 0.05),), 0.5),
    Trait(
        "black hair",
        "hair colour",
        "hair",
        ("black", "dark"),
        (_less("hair_shade", 0.2), _less("hair_grey", 0.25), _less("ginger", 0.3), _NOT_BALD),
        1.5,
    ),
    Trait(
        "brown hair",
        "hair colour",
        "hair",
        ("brown",),
        (_between("hair_shade", 0.32, 0.6), _less("hair_grey", 0.25), _less("ginger", 0.25), _NOT_BALD),
        1.5,
    ),
    Trait(
        "blond hair",
        "hair colour",
        "hair",
        ("blond", "blonde", "fair", "light"),
        (_more("hair_shade", 0.75), _less("hair_grey", 0.3), _less("ginger", 0.25), _NOT_BALD),
        1.8,
    ),
    Trait(
        "red hair",
        "hair colour",
        "hair",
        ("red", "ginger", "auburn"),
        (_more("ginger", 0.55, 0.25), _more("hair_shade", 0.25), _NOT_BALD),
        1.8,
    ),
    Trait("grey hair", "hair colour", "hair", ("grey",), (_between("hair_grey", 0.5, 0.85, 0.15), _NOT_BALD), 1.8),
    Trait("white hair", "hair colour", "hair", ("white",), (_more("hair_grey", 0.85, 0.2), _NOT_BALD), 2.0),
    # Facial hair
    Trait("beard", "beard", "with", ("a beard", "a full beard"), (_more("beard", 0.5, 0.35),), 2.0),
    Trait("bearded", "beard", "adjective", ("bearded",), (_more("beard", 0.5, 0.35),), 1.3),
    Trait(
        "grey beard",
        "beard",
        "with",
        ("a grey beard",),
        (_more("beard", 0.5, 0.35), _more("hair_grey", 0.5, 0.25)),
        1.5,
    ),
    Trait("no beard", "beard", "without", ("without a beard", "with no beard"), (_less("beard", 0.05),), 0.6),
    Trait("moustache", "moustache", "with", ("a moustache",), (_more("moustache", 0.5, 0.35),), 2.0),
    Trait(
        "no moustache",
        "moustache",
        "without",
        ("without a moustache", "with no moustache"),
        (_less("moustache", 0.05),),
        0.4,
    ),
    Trait(
        "clean-shaven", "beard", "adjective", ("clean shaven", "shaved"), (_less("facial_hair", 0.05), _MASCULINE), 1.0
    ),
    # Face
    Trait("dark skin", "skin", "with", ("dark skin", "brown skin"), (_more("skin_tone", 0.68, 0.15),), 1.6),
    Trait("dark-skinned", "skin", "adjective", ("dark skinned",), (_more("skin_tone", 0.68, 0.15),), 0.8),
    Trait("tanned skin", "skin", "with", ("tanned skin", "olive skin"), (_between("skin_tone", 0.38, 0.6),), 0.9),
    Trait(
        "light skin", "skin", "with", ("light skin", "fair skin", "pale skin"), (_less("skin_tone", 0.22, 0.15),), 1.4
    ),
    Trait("pale", "skin", "adjective", ("pale",), (_less("skin_tone", 0.18, 0.15),), 0.8),
    Trait("thick brows", "brows", "with", ("thick eyebrows", "bushy eyebrows"), (_more("brow_thickness", 0.75, 0.2),)),
    Trait("thin brows", "brows", "with", ("thin eyebrows",), (_less("brow_thickness", 0.25, 0.2),)),
    Trait(
        "blue eyes",
        "eye colour",
        "with",
        ("blue eyes",),
        (_more("eye_colour", 0.72, 0.15), _more("eyes_open", 0.5)),
        1.3,
    ),
    Trait(
        "green eyes",
        "eye colour",
        "with",
        ("green eyes",),
        (_between("eye_colour", 0.42, 0.58, 0.1), _more("eyes_open", 0.5)),
    ),
    Trait(
        "brown eyes",
        "eye colour",
        "with",
        ("brown eyes", "dark eyes"),
        (_less("eye_colour", 0.28, 0.15), _more("eyes_open", 0.5)),
    ),
    Trait("big eyes", "eye size", "with", ("big eyes", "large eyes"), (_more("eye_size", 0.5, 0.3),)),
    Trait("small eyes", "eye size", "with", ("small eyes", "narrow eyes"), (_less("eye_size", -0.5, 0.3),)),
    Trait("big nose", "nose", "with", ("a big nose", "a large nose", "a wide nose"), (_more("nose_width", 0.5, 0.3),)),
    Trait("small nose", "nose", "with", ("a small nose", "a narrow nose"), (_less("nose_width", -0.5, 0.3),)),
    Trait("long nose", "nose", "with", ("a long nose",), (_more("nose_length", 0.5, 0.3),)),
    Trait("short nose", "nose", "with", ("a short nose",), (_less("nose_length", -0.5, 0.3),)),
    Trait("full lips", "lips", "with", ("full lips", "big lips"), (_more("lip_fullness", 0.5, 0.3),)),
    Trait("thin lips", "lips", "with", ("thin lips", "narrow lips"), (_less("lip_fullness", -0.5, 0.3),)),
    Trait(
        "lipstick", "lip colour", "with", ("red lipstick", "makeup", "red lips"), (_more("lip_colour", 0.55, 0.2),), 1.8
    ),
    Trait(
        "no makeup",
        "lip colour",
        "without",
        ("without makeup", "with no makeup"),
        (_less("lip_colour", 0.2, 0.15),),
        0.4,
    ),
    Trait("wide face", "face shape", "with", ("a wide face", "a round face"), (_more("face_width", 0.5, 0.3),)),
    Trait("narrow face", "face shape", "with", ("a narrow face", "a thin face"), (_less("face_width", -0.5, 0.3),)),
    Trait("square jaw", "jaw", "with", ("a square jaw", "a strong jaw"), (_more("jaw", 0.5, 0.3),)),
    Trait("pointed jaw", "jaw", "with", ("a pointed jaw", "a pointed chin"), (_less("jaw", -0.5, 0.3),)),
    Trait("glasses", "glasses", "with", ("glasses",), (_more("glasses", 0.6, 0.4),), 2.6),
    Trait("wearing glasses", "glasses", "doing", ("wearing glasses",), (_more("glasses", 0.6, 0.4),), 1.3),
    Trait(
        "round glasses",
        "glasses",
        "with",
        ("round glasses",),
        (_more("glasses", 0.6, 0.4), _less("glasses_shape", -0.4, 0.4)),
        0.8,
    ),
    Trait(
        "square glasses",
        "glasses",
        "with",
        ("square glasses",),
        (_more("glasses", 0.6, 0.4), _more("glasses_shape", 0.4, 0.4)),
        0.8,
    ),
    Trait(
        "no glasses", "glasses", "without", ("without glasses", "with no glasses"), (_less("glasses", 0.1, 0.4),), 0.8
    ),
    # Around the face
    Trait(
        "lit from the right",
        "light",
        "place",
        ("lit from the right", "light from the right"),
        (_more("light_x", 0.5, 0.3),),
    ),
    Trait(
        "lit from the left",
        "light",
        "place",
        ("lit from the left", "light from the left"),
        (_less("light_x", -0.5, 0.3),),
    ),
    Trait(
        "lit from above",
        "light",
        "place",
        ("lit from above",),
        (_more("light_y", 0.65, 0.3), _between("light_x", -0.4, 0.4, 0.4)),
        0.5,
    ),
    Trait("warm light", "warmth", "place", ("in warm light",), (_more("light_warmth", 0.5, 0.3),), 0.6),
    Trait("cold light", "warmth", "place", ("in cold light",), (_less("light_warmth", -0.5, 0.3),), 0.6),
    *_coloured("background", "background", ("background",), 0.28),
    *_coloured("clothes", "clothes", ("shirt", "sweater"), 0.32),
)

TRAIT_INDEX: dict[str, int] = {trait.name: index for index, trait in enumerate(TRAITS)}

_PLAIN_NOUNS = ("face", "face", "face", "person", "person", "portrait")
_OPENINGS = ("portrait of ", "a portrait of ", "a photo of ", "a picture of ", "an image of ")
_MAX_WORDS = 17
"""Keeps a caption inside the text model's context (24 tokens with start and end; a few words take two)."""


@dataclass(frozen=True)
class Caption:
    """A sentence and the traits it claims.

    Attributes:
        text: Lower-case sentence without a full stop.
        claims: Indices into the list of traits; the sentence fits every picture of which all of them are true.
    """

    text: str
    claims: tuple[int, ...]


def trait_truth(parameters: Parameters, traits: Sequence[Trait] = TRAITS, derived: Derived = DERIVED) -> Tensor:
    """Judge every trait of every picture.

    Args:
        parameters: Name -> (B,) tensor; NaN where unknown.
        traits: What can be said.
        derived: Numbers made of several parameters.

    Returns:
        (B, len(traits)) int8: 1 true, 0 in the grey zone or unknown, -1 plainly false.
    """
    values = {**parameters, **{name: rule(parameters) for name, rule in derived.items()}}
    columns = []
    for trait in traits:
        # Plainly false as soon as one condition is; true only when all are.
        columns.append(torch.stack([c.truth(values[c.name]) for c in trait.conditions]).amin(0))
    return torch.stack(columns, 1)


def claims_matrix(written: Sequence[Caption], n_traits: int = len(TRAITS)) -> Tensor:
    """Mark the traits each caption claims, as (B, n_traits) float32 of zeros and ones."""
    matrix = torch.zeros(len(written), n_traits)
    for row, caption in enumerate(written):
        matrix[row, list(caption.claims)] = 1.0
    return matrix


def fits(written: Sequence[Caption], truth: Tensor) -> tuple[Tensor, Tensor]:
    """Decide which captions fit which pictures.

    Args:
        written: C captions.
        truth: (B, traits) from `trait_truth`.

    Returns:
        Two (C, B) bool tensors: all claims true, and at least one claim plainly false. Neither holds in the grey zone.
    """
    claims = claims_matrix(written, truth.shape[1])
    all_true = claims @ (truth < 1).float().T == 0
    some_false = claims @ (truth < 0).float().T > 0
    return all_true, some_false


def write_caption(true_traits: Sequence[int], rng: random.Random, traits: Sequence[Trait] = TRAITS) -> Caption:
    """Compose one caption from a random few of the traits that hold.

    Args:
        true_traits: Indices into `traits`.
        rng: Decides what is mentioned and how.
        traits: What can be said.
    """
    wanted = rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5))
    # Weighted sampling without replacement (Efraimidis and Spirakis: the largest u ** (1 / weight) win).
    ranked = sorted(true_traits, key=lambda index: -(rng.random() ** (1.0 / traits[index].weight)))
    chosen: list[int] = []
    subjects: set[str] = set()
    for index in ranked:
        if traits[index].about not in subjects:
            subjects.add(traits[index].about)
            chosen.append(index)
        if len(chosen) == wanted:
            break
    while True:
        text = _sentence([traits[index] for index in chosen], rng)
        if len(text.split()) <= _MAX_WORDS:
            return Caption(text, tuple(sorted(chosen)))
        chosen.pop()


def _sentence(chosen: Sequence[Trait], rng: random.Random) -> str:
    """Put the chosen traits into one sentence."""
    said: dict[str, list[str]] = {slot: [] for slot in ("adjective", "noun", "with", "without", "doing", "place")}
    hair: list[tuple[int, str]] = []
    for trait in chosen:
        phrase = rng.choice(trait.phrases)
        if trait.slot == "hair":
            hair.append((_HAIR_SUBJECTS.index(trait.about), phrase))
        else:
            said[trait.slot].append(phrase)
    opening = rng.choice(_OPENINGS) if rng.random() < 0.4 else ""
    noun = said["noun"][0] if said["noun"] else rng.choice(("person", "face") if opening else _PLAIN_NOUNS)
    head = " ".join([*said["adjective"], noun])
    if opening or rng.random() < 0.85:  # now and then the bare way people type: "smiling woman with glasses"
        head = f"{'an' if head[0] in 'aeiou' else 'a'} {head}"
    attributes = list(said["with"])
    if hair:
        # "long curly red hair": length, then shape, then colour, as the table lists them.
        attributes.append(" ".join([*(phrase for _, phrase in sorted(hair)), "hair"]))
    rng.shuffle(attributes)
    tail = list(said["doing"])
    places = []
    for phrase in said["place"]:
        if phrase.endswith("background"):
            form = rng.choice(("in front of a {}", "on a {}", "with a {}"))
            places.append(form.format(phrase).replace(" a orange", " an orange"))
        elif phrase.endswith(("shirt", "sweater")):
            form = rng.choice(("wearing a {}", "in a {}", "with a {}"))
            places.append(form.format(phrase).replace(" a orange", " an orange"))
        else:
            places.append(phrase)
    parts = [head]
    if attributes:
        parts.append(rng.choice(("with", "with", "with", "who has")) if head.endswith(_PEOPLE) else "with")
        parts.append(f"{', '.join(attributes[:-1])} and {attributes[-1]}" if len(attributes) > 1 else attributes[0])
    return opening + " ".join([*parts, *said["without"], *tail, *places])


_PEOPLE = ("man", "woman", "person", "lady", "guy")
_HAIR_SUBJECTS = ("hair length", "hair volume", "hair curl", "hair colour")


def describe(parameters: Parameters, seed: int, n_per_picture: int = 1) -> list[Caption]:
    """Write captions together with what they claim.

    Args:
        parameters: Name -> (B,) tensor.
        seed: Same seed, same captions.
        n_per_picture: Captions per portrait; those of one portrait lie next to each other.

    Returns:
        B * n_per_picture captions.
    """
    return describe_truth(trait_truth(parameters), seed, n_per_picture)


def describe_truth(truth: Tensor, seed: int, n_per_picture: int = 1, traits: Sequence[Trait] = TRAITS) -> list[Caption]:
    """Write captions from `trait_truth`'s answer for these traits; see `describe`."""
    rng = random.Random(seed)
    written = []
    for row in truth.tolist():
        holds = [index for index, value in enumerate(row) if value > 0]
        written += [write_caption(holds, rng, traits) for _ in range(n_per_picture)]
    return written


def captions(parameters: Parameters, seed: int, n_per_picture: int = 1) -> list[str]:
    """Write captions: varied sentences, each mentioning a random few of what a portrait shows.

    Args:
        parameters: Name -> (B,) tensor.
        seed: Same seed, same captions.
        n_per_picture: Captions per portrait; those of one portrait lie next to each other.

    Returns:
        B * n_per_picture sentences such as "a smiling young woman with long curly red hair and glasses".
    """
    return [caption.text for caption in describe(parameters, seed, n_per_picture)]


def prompt_for(trait: Trait, phrase: str | None = None) -> str:
    """Write the shortest sentence that claims one trait.

    Args:
        trait: The trait.
        phrase: One of the trait's phrases; default: its first.
    """
    words = trait.phrases[0] if phrase is None else phrase
    article = "an" if words[0] in "aeiou" else "a"
    if trait.slot == "adjective":
        return f"{article} {words} face"
    if trait.slot == "noun":
        return f"{article} {words}"
    if trait.slot == "hair":
        return f"a face with {words} hair"
    if trait.slot == "with":
        return f"a face with {words}"
    if trait.slot == "place" and words.endswith("background"):
        return f"a face in front of {article} {words}"
    if trait.slot == "place" and words.endswith(("shirt", "sweater")):
        return f"a person wearing {article} {words}"
    return f"a face {words}"


def all_prompts(traits: Sequence[Trait] = TRAITS) -> dict[str, str]:
    """List every sentence that claims exactly one trait, each with that trait's name."""
    return {prompt_for(trait, phrase): trait.name for trait in traits for phrase in trait.phrases}


def vocabulary_sentences(traits: Sequence[Trait] = TRAITS) -> list[str]:
    """List sentences that together hold every word a caption can hold."""
    frames = [opening + "a person" for opening in _OPENINGS] + [f"a {noun}" for noun in _PLAIN_NOUNS]
    joints = ["who has an and, with a on a in front of an in a wearing a"]
    return [*all_prompts(traits), *frames, *joints]


_UNUSED_NAMES = {c.name for t in TRAITS for c in t.conditions} - {p.name for p in PARAMETERS} - set(DERIVED)
if _UNUSED_NAMES:
    raise ValueError(f"traits name unknown parameters: {sorted(_UNUSED_NAMES)}")
