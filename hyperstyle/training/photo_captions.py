"""Say in words what a photograph shows, and teach the small CLIP with that.

Sentences are written as for drawn portraits (`synthetic.captions`), from the labels in the photographs' table; what is
not known of a picture is neither said nor counted. Thresholds lie where official portraits differ: about the fifth to
tenth of them at either end of what is measured (smile, brows, width of the face, pose, light).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.editing.text_model import TextModel
from hyperstyle.models.stylegan2 import Generator, repeat_w
from hyperstyle.synthetic.captions import Range, Trait, trait_truth
from hyperstyle.training.clip import ClipConfig, ClipState, Progress, train_clip
from hyperstyle.training.photo_latents import photo_latents, some_rows
from hyperstyle.training.photo_traits import TRAITS
from hyperstyle.training.photographs import Photographs
from hyperstyle.training.text_world import Candidate, TextWorld, Values
from hyperstyle.traits import Z_END, to_z


def _more(name: str, low: float, margin: float = 0.1) -> Range:
    return Range(name, low=low, margin=margin)


def _less(name: str, high: float, margin: float = 0.1) -> Range:
    return Range(name, high=high, margin=margin)


def _between(name: str, low: float, high: float, margin: float = 0.1) -> Range:
    return Range(name, low, high, margin)


def _worn(name: str) -> tuple[Range]:
    """Labels that say yes (1) or no (0)."""
    return (_more(name, 0.6, 0.4),)


def _not_worn(name: str) -> tuple[Range]:
    return (_less(name, 0.1, 0.4),)


_HAIR = _less("baldness", 0.6, 0.2)
_NOT_GREY = _less("hair_grey", 0.25)
_MASCULINE = _less("femininity", 0.4, 0.15)
_SMILES = _more("smile", 0.6, 0.25)
_FULL_BEARD = _more("beard", 0.9, 0.45)  # half a beard is neither

PHOTO_SAYINGS: tuple[Trait, ...] = (
    # Who
    Trait("woman", "gender", "noun", ("woman", "lady", "female person"), (_more("femininity", 0.62, 0.15),), 2.5),
    Trait("man", "gender", "noun", ("man", "guy", "male person"), (_less("femininity", 0.38, 0.15),), 2.5),
    Trait("feminine", "gender", "adjective", ("feminine",), (_more("femininity", 0.8, 0.2),), 0.7),
    Trait("masculine", "gender", "adjective", ("masculine",), (_less("femininity", 0.2, 0.2),), 0.7),
    Trait("young", "age", "adjective", ("young", "youthful"), (_less("age", 34, 7),), 2.0),
    Trait("middle-aged", "age", "adjective", ("middle aged",), (_between("age", 44, 56, 7),)),
    Trait("old", "age", "adjective", ("old", "elderly", "aged", "senior"), (_more("age", 63, 8),), 2.0),
    Trait("wrinkles", "age", "with", ("wrinkles", "wrinkled skin"), (_more("age", 66, 10),)),
    Trait("no wrinkles", "age", "without", ("without wrinkles", "with smooth skin"), (_less("age", 32, 8),), 0.5),
    # Expression
    Trait("smiling", "smile", "adjective", ("smiling", "happy", "cheerful", "friendly"), (_SMILES,), 1.4),
    Trait("smile", "smile", "with", ("a smile", "a happy expression"), (_SMILES,), 1.2),
    Trait("big smile", "smile", "with", ("a big smile",), (_more("smile", 0.88, 0.2),), 1.2),
    Trait("stern", "smile", "adjective", ("stern", "unsmiling"), (_less("smile", 0.2, 0.25),), 2.0),
    Trait("not smiling", "smile", "without", ("not smiling", "without a smile"), (_less("smile", 0.2, 0.25),), 1.2),
    Trait("teeth", "mouth", "with", ("visible teeth", "teeth", "a toothy smile"), (*_worn("teeth"), _SMILES), 1.1),
    Trait("open mouth", "mouth", "with", ("an open mouth", "the mouth open"), (_more("mouth_open", 0.15, 0.07),)),
    Trait("closed mouth", "mouth", "with", ("a closed mouth", "closed lips"), (_less("mouth_open", 0.02, 0.04),), 1.2),
    Trait("closed eyes", "eyes", "with", ("closed eyes", "the eyes closed"), (_less("eyes_open", 0.17, 0.05),), 3.0),
    Trait("narrow eyes", "eyes", "with", ("narrow eyes", "small eyes"), (_less("eyes_open", 0.235, 0.04),)),
    Trait("wide eyes", "eyes", "with", ("wide open eyes", "big eyes"), (_more("eyes_open", 0.36, 0.04),)),
    Trait("raised brows", "brows", "with", ("raised eyebrows",), (_more("brow_raise", 0.4, 0.05),)),
    Trait("lowered brows", "brows", "with", ("lowered eyebrows",), (_less("brow_raise", 0.27, 0.04),)),
    # Head
    Trait(
        "turned right",
        "pose",
        "doing",
        ("turned to the right", "turned right", "facing right"),
        (_more("yaw", 8, 4),),
        1.3,
    ),
    Trait(
        "turned left",
        "pose",
        "doing",
        ("turned to the left", "turned left", "facing left"),
        (_less("yaw", -8, 4),),
        1.3,
    ),
    Trait("frontal", "pose", "doing", ("facing the camera", "facing forward"), (_between("yaw", -3, 3, 3),), 0.5),
    Trait("looking up", "nod", "doing", ("looking up", "looking upwards"), (_less("pitch", -12, 5),)),
    Trait("looking down", "nod", "doing", ("looking down", "looking downwards"), (_more("pitch", 3, 5),)),
    Trait("wide face", "face shape", "with", ("a wide face", "a round face"), (_more("face_width", 0.87, 0.03),)),
    Trait("narrow face", "face shape", "with", ("a narrow face", "a thin face"), (_less("face_width", 0.79, 0.03),)),
    # Hair
    Trait("long hair", "hair length", "hair", ("long",), (_more("hair_length", 0.9, 0.2),), 1.6),
    Trait("short hair", "hair length", "hair", ("short",), (_between("hair_length", 0.4, 0.6, 0.12),)),
    Trait("bald", "hairline", "adjective", ("bald",), (_more("baldness", 0.9, 0.45),), 3.0),
    Trait("no hair", "hairline", "without", ("without hair", "with no hair"), (_more("baldness", 0.9, 0.45),)),
    Trait(
        "receding",
        "hairline",
        "with",
        ("a receding hairline", "a high forehead", "thin hair"),
        (_between("baldness", 0.4, 0.6, 0.2),),
        2.0,
    ),
    Trait("black hair", "hair colour", "hair", ("black", "dark"), (_less("hair_shade", 0.15), _NOT_GREY, _HAIR), 1.5),
    Trait(
        "brown hair", "hair colour", "hair", ("brown",), (_between("hair_shade", 0.3, 0.5, 0.08), _NOT_GREY, _HAIR), 1.2
    ),
    Trait(
        "red hair",
        "hair colour",
        "hair",
        ("red", "ginger"),
        (_between("hair_shade", 0.55, 0.68, 0.08), _NOT_GREY, _HAIR),
        2.5,
    ),
    Trait(
        "blond hair",
        "hair colour",
        "hair",
        ("blond", "blonde", "fair"),
        (_more("hair_shade", 0.8), _NOT_GREY, _HAIR),
        1.8,
    ),
    Trait("grey hair", "hair colour", "hair", ("grey",), (_between("hair_grey", 0.5, 0.85, 0.2), _HAIR), 1.8),
    Trait("white hair", "hair colour", "hair", ("white",), (_more("hair_grey", 0.85, 0.3), _HAIR), 2.0),
    # Facial hair
    Trait("beard", "beard", "with", ("a beard", "a full beard"), (_FULL_BEARD,), 2.5),
    Trait("bearded", "beard", "adjective", ("bearded",), (_FULL_BEARD,), 1.3),
    Trait("short beard", "beard", "with", ("a short beard",), (_between("beard", 0.4, 0.6, 0.3),), 2.0),
    Trait("no beard", "beard", "without", ("without a beard", "with no beard"), (_less("beard", 0.1),), 0.5),
    Trait("moustache", "moustache", "with", ("a moustache",), _worn("moustache"), 2.5),
    Trait(
        "no moustache",
        "moustache",
        "without",
        ("without a moustache", "with no moustache"),
        _not_worn("moustache"),
        0.3,
    ),
    Trait(
        "clean-shaven",
        "beard",
        "adjective",
        ("clean shaven", "shaved"),
        (_less("beard", 0.1), _less("moustache", 0.1, 0.4), _MASCULINE),
    ),
    # Skin and things worn
    Trait("dark skin", "skin", "with", ("dark skin", "brown skin"), (_more("skin_tone", 0.5, 0.15),), 1.8),
    Trait("dark-skinned", "skin", "adjective", ("dark skinned",), (_more("skin_tone", 0.5, 0.15),), 0.8),
    Trait("tanned skin", "skin", "with", ("tanned skin", "olive skin"), (_between("skin_tone", 0.32, 0.45, 0.08),)),
    Trait("light skin", "skin", "with", ("light skin", "fair skin", "pale skin"), (_less("skin_tone", 0.15),)),
    Trait("pale", "skin", "adjective", ("pale",), (_less("skin_tone", 0.1),), 0.8),
    Trait("glasses", "glasses", "with", ("glasses",), _worn("glasses"), 2.6),
    Trait("wearing glasses", "glasses", "doing", ("wearing glasses",), _worn("glasses"), 1.3),
    Trait("no glasses", "glasses", "without", ("without glasses", "with no glasses"), _not_worn("glasses"), 0.8),
    Trait("earrings", "earrings", "with", ("earrings",), _worn("earrings"), 2.0),
    Trait("wearing earrings", "earrings", "doing", ("wearing earrings",), _worn("earrings"), 1.0),
    Trait("no earrings", "earrings", "without", ("without earrings", "with no earrings"), _not_worn("earrings"), 0.3),
    Trait("hat", "headwear", "with", ("a hat", "a cap", "headwear"), _worn("headwear"), 3.0),
    Trait("wearing a hat", "headwear", "doing", ("wearing a hat", "wearing a cap"), _worn("headwear"), 2.0),
    # Light
    Trait(
        "lit from the right",
        "light",
        "place",
        ("lit from the right", "light from the right"),
        (_more("light_x", 0.35, 0.2),),
    ),
    Trait(
        "lit from the left",
        "light",
        "place",
        ("lit from the left", "light from the left"),
        (_less("light_x", -0.12, 0.2),),
    ),
)

PHOTO_CANDIDATES: tuple[Candidate, ...] = (
    Candidate("a smiling face", "smile"),
    Candidate("a face not smiling", "smile", -1),
    Candidate("a face with visible teeth", "teeth"),
    Candidate("a face with an open mouth", "mouth_open"),
    Candidate("a face with a closed mouth", "mouth_open", -1),
    Candidate("a face with closed eyes", "eyes_open", -1),
    Candidate("a face with wide open eyes", "eyes_open"),
    Candidate("a face with raised eyebrows", "brow_raise"),
    Candidate("a face with a beard", "beard"),
    Candidate("a face without a beard", "beard", -1),
    Candidate("a face with a moustache", "moustache"),
    Candidate("a face with glasses", "glasses"),
    Candidate("a face without glasses", "glasses", -1),
    Candidate("a face with earrings", "earrings"),
    Candidate("a face with a hat", "headwear"),
    Candidate("an old face", "age"),
    Candidate("a young face", "age", -1),
    Candidate("a woman", "femininity"),
    Candidate("a man", "femininity", -1),
    Candidate("a face with long hair", "hair_length"),
    Candidate("a face with short hair", "hair_length", -1),
    Candidate("a bald face", "baldness"),
    Candidate("a face with blond hair", "hair_shade"),
    Candidate("a face with black hair", "hair_shade", -1),
    Candidate("a face with grey hair", "hair_grey"),
    Candidate("a face with dark skin", "skin_tone"),
    Candidate("a face with light skin", "skin_tone", -1),
    Candidate("a face with a wide face", "face_width"),
    Candidate("a face with a narrow face", "face_width", -1),
    Candidate("a face turned to the left", "yaw", -1),
    Candidate("a face turned to the right", "yaw"),
    Candidate("a face looking up", "pitch", -1),
    Candidate("a face looking down", "pitch"),
    Candidate("a face lit from the left", "light_x", -1),
    Candidate("a face lit from the right", "light_x"),
)


@dataclass(frozen=True, eq=False)
class PhotoWorld(TextWorld):
    """Photographs: labels say what they show, and the W encoder which latents draw them.

    Attributes:
        encoder: W encoder, in evaluation mode, on the generator's device.
        train: Photographs whose latents stand for all that the generator draws.
        held_out: Photographs of other people, on which prompts are tried.
        input_size: What the encoder looks at, px.
    """

    encoder: nn.Module
    train: Photographs
    held_out: Photographs
    input_size: int

    sayings = PHOTO_SAYINGS
    traits = TRAITS
    candidates = PHOTO_CANDIDATES

    def truth(self, values: Values) -> Tensor:
        """See `TextWorld`."""
        return trait_truth(values, PHOTO_SAYINGS, {})

    def columns(self, values: Values) -> Tensor:
        """See `TextWorld`; what lies beyond a trait's range counts as its end."""
        table = torch.stack([values[trait.name] for trait in TRAITS], 1)
        return to_z(TRAITS, table).clamp(-Z_END, Z_END)

    def mirror(self, values: Values) -> Values:
        """See `TextWorld`."""
        return {trait.name: -values[trait.name] if trait.odd else values[trait.name] for trait in TRAITS}

    def latents(self, generator: Generator, n: int, seed: int, truncation_psi: float = 1.0) -> Tensor:
        """See `TextWorld`; first photographs as they are, each once, then mirrored."""
        rows = some_rows(self.train, n, seed)
        again = rows[: max(0, n - len(rows))]
        flip = torch.arange(len(rows) + len(again)) >= len(rows)
        w = photo_latents(generator, self.encoder, self.train, torch.cat([rows, again]), self.input_size, flip)
        return torch.lerp(generator.w_avg.cpu(), w, truncation_psi)

    def faces(self, generator: Generator, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """See `TextWorld`; deviations are those of the labels, and 1 where hardly anybody has one."""
        rows = some_rows(self.held_out, n, seed + 10**6)
        w = photo_latents(generator, self.encoder, self.held_out, rows, self.input_size)
        columns = self.columns(values_of(self.train))
        known = [column[~column.isnan()] for column in columns.T]
        return w, torch.stack([column.std() if len(column) > 1 else torch.tensor(1.0) for column in known])


def values_of(photographs: Photographs) -> Values:
    """What the table says of photographs: trait -> (N,) in its unit, NaN where unknown."""
    return {trait.name: photographs.traits[:, place] for place, trait in enumerate(TRAITS)}


def train_photo_clip(
    world: PhotoWorld,
    config: ClipConfig | None = None,
    on_progress: Progress | None = None,
    state: ClipState | None = None,
    on_state: Callable[[ClipState], None] | None = None,
    state_every: int = 200,
    max_seconds: float | None = None,
    device: torch.device | str = "cpu",
    domain: str = "",
    generator: Generator | None = None,
) -> TextModel:
    """Train a text model on photographs and their labels; arguments and result as in `clip.train_clip`.

    Args:
        world: Its training photographs are learnt from; of the others as many are tested on as a quarter of all allows,
            instead of `config.held_out`.
        generator: If given, every training photograph is also shown as this generator redraws it from its latent: those
            are the pictures that edits are made of.
    """
    config = ClipConfig() if config is None else config
    size = config.model.image_size
    pictures, values = [small_pictures(world.train, size)], [values_of(world.train)]
    if generator is not None:
        pictures.append(redrawn(world, generator, size))
        values.append(values[0])
    shown = sum(len(part) for part in pictures)
    n_test = min(len(world.held_out), shown // 3)
    pictures.append(small_pictures(world.held_out, size)[:n_test])
    values.append({name: value[:n_test] for name, value in values_of(world.held_out).items()})
    together = {name: torch.cat([part[name] for part in values]) for name in values[0]}
    return train_clip(
        torch.cat(pictures),
        together,
        replace(config, held_out=n_test),
        on_progress,
        state,
        on_state,
        state_every,
        max_seconds,
        device,
        domain,
        world,
    )


def small_pictures(photographs: Photographs, size: int, batch: int = 64) -> Tensor:
    """All photographs as (N, 3, size, size) uint8."""
    rows = torch.arange(len(photographs))
    return torch.cat([_bytes(photographs.batch(part, size=size)) for part in rows.split(batch)])


@torch.no_grad()
def redrawn(world: PhotoWorld, generator: Generator, size: int, batch: int = 32) -> Tensor:
    """All training photographs as the generator draws them from their latents, (N, 3, size, size) uint8."""
    drawn_px = next((px for px in sorted(generator.config.channels) if px >= size), generator.config.resolution)
    w = photo_latents(generator, world.encoder, world.train, torch.arange(len(world.train)), world.input_size)
    parts = []
    for part in w.split(batch):
        styles = generator.to_styles(repeat_w(part.to(generator.w_avg.device), generator.num_ws))
        parts.append(_bytes(F.adaptive_avg_pool2d(generator.render(styles, resolution=drawn_px), size).cpu()))
    return torch.cat(parts)


def _bytes(pictures: Tensor) -> Tensor:
    """[-1, 1] to uint8."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


_UNUSED_NAMES = {c.name for t in PHOTO_SAYINGS for c in t.conditions} - {trait.name for trait in TRAITS}
if _UNUSED_NAMES:
    raise ValueError(f"captions name unknown traits: {sorted(_UNUSED_NAMES)}")
