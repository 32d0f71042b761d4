"""HyperStyle from photo to edited face. START READING HERE.

    photo --align--> face --invert--> Inversion --render--> picture --paste_back--> photo
                      |                   ^           ^
                      |   encoder: w      |           |  Look.edits: w + w_shift          (sliders)
                      +-- hypernetwork: --+           |  Look.words: styles + style_shift (prompts)
                          one code per layer          +- offsets:    weight x (1 + delta)

Models are shared and never change. Everything about one face is in its `Inversion`, a small value that the caller
keeps, so any number of people can use one `HyperStyle` at once. The only state in here is a bounded cache.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from PIL import Image
from torch import Tensor

from hyperstyle import metrics, mixing
from hyperstyle.bounded import Bounded
from hyperstyle.device import resolve_device, set_threads
from hyperstyle.domains import DEFAULT_DOMAIN, Domain, get_domain, ships_edits
from hyperstyle.editing import DirectionEdits, EditRow, check_strength
from hyperstyle.errors import (
    NoSuchFace,
    ShapeMismatch,
    UnknownEdit,
    UsageError,
    WeightsMissing,
    WrongDomain,
    did_you_mean,
)
from hyperstyle.images import OWN_PIXELS, Photo, open_photo, to_photo, to_tensor
from hyperstyle.inversion import METHODS, Inverter
from hyperstyle.inversion.adaptation import fine_offsets, fine_px, stylise
from hyperstyle.inversion.base import inversion_deltas, visible
from hyperstyle.inversion.losses import perceptual_distance
from hyperstyle.latents import Deltas, Inversion, Styles, add_styles
from hyperstyle.look import AnyLook, Look, TextEdit, look_of
from hyperstyle.models.embedding import EmbeddingNetwork
from hyperstyle.models.fast_networks import FastHypernetwork, FastWEncoder
from hyperstyle.models.fast_synthesis import FastSynthesis, PreparedWeights
from hyperstyle.models.precision import fast_dtype
from hyperstyle.models.style_encoders import StyleEncoder
from hyperstyle.previews import Correction, Corrections
from hyperstyle.published import prepare
from hyperstyle.recipes import Recipe
from hyperstyle.scalars import plain_scalar
from hyperstyle.weights.fine_tuned import check_style, load_style
from hyperstyle.weights.load import DomainModels, build_baseline, load_models, load_network, loader

if TYPE_CHECKING:
    from hyperstyle.alignment import AlignedFace, Blend, EditedFace, Pasted, Shape
    from hyperstyle.detail import DetailCarrier
    from hyperstyle.editing.styleclip import TextEditor
    from hyperstyle.models.stylegan2 import Generator

MAX_STEPS = 20  # published results stop improving after about five; more is a mistyped number
MAX_OFFSET_STRENGTH = 4.0
PREVIEW_PX = 256
QUICK_SIDE = 512  # px; of edits on the photograph while a slider moves
DETAIL_GAIN = {"expression": 1.3, "pose": 1.1, "identity": 1.1, "hair": 1.1, "accessories": 1.15}
"""How much further edits of a group go under all of the photo's detail, which holds on to what the photo shows. With
this they change a photograph about as much as the rebuilt face, on 10 photographs of `photos`. Of other groups: 1."""
_ROUNDING = 0.01  # how far types of few bits may carry values beyond [-1, 1]
CACHE_BYTES = 256 * 2**20  # about 40 faces at 128 px, two at 1024 px


def load(
    domain: str | Path = DEFAULT_DOMAIN,
    device: str = "auto",
    weights: str | Path | None = None,
    on_part: Callable[[str], None] | None = None,
    dtype: torch.dtype | None = None,
) -> HyperStyle:
    """Load a domain's models, ready to use.

    Args:
        domain: Name of a built-in domain, or a folder with a `domain.json`.
        device: "auto", "cpu", "cuda" or "mps".
        weights: For published domains: a folder with their files, converted on first use; default: the one the
            variable HYPERSTYLE_WEIGHTS names, else what was downloaded.
        on_part: Called with file names before each is converted.
        dtype: Type of the fast paths' arithmetic; None for what is fastest here.

    Raises:
        UnknownDomain: There is no such domain.
        WeightsMissing: A weights file is not there (also `WeightsCorrupt`, `ForeignWeights`).
        DeviceMissing: This machine lacks the device.
        UsageError: `weights` is given for a domain that brings its own, or there is no such folder.
    """
    set_threads()
    place = resolve_device(device)
    row = prepare(get_domain(domain), weights, on_part)
    return HyperStyle(row, load_models(row, place), dtype=dtype)


def list_edits(domain: str | Path = DEFAULT_DOMAIN, weights: str | Path | None = None) -> list[EditRow]:
    """List the edits a domain offers, without loading its models; `weights` as in `load`.

    Raises:
        WeightsMissing: The domain's edits come with the project, and they are not there.
    """
    directions = _read_directions(prepare(get_domain(domain), weights))
    return list(directions.rows) if directions else []


def _read_directions(domain: Domain) -> DirectionEdits | None:
    """A domain's edits; None when it has no folder of them, as before its directions are trained.

    Raises:
        WeightsMissing: The domain is one whose edits come with the project, and they are not there.
    """
    if domain.directions.is_dir():
        return DirectionEdits(domain.directions)
    if ships_edits(domain):
        raise WeightsMissing(
            f"The edits of '{domain.name}' are missing from {domain.directions}; install HyperStyle again, or restore "
            f"that folder from the repository."
        )
    return None


def choose_face(faces: Sequence[AlignedFace], face: int | Literal["largest"]) -> AlignedFace:
    """Pick one of the faces of a photo, given largest first.

    Raises:
        NoSuchFace: There are fewer faces than that.
    """
    face = plain_scalar(face)
    index = 0 if face == "largest" else face
    if not isinstance(index, int) or not 0 <= index < len(faces):
        count = "only face 0 was found" if len(faces) == 1 else f"faces 0 to {len(faces) - 1} were found"
        raise NoSuchFace(f"There is no face {face} in this photo; {count}, the largest first.")
    return faces[index]


@dataclass(frozen=True)
class FastModels:
    """The networks that pictures go through, arranged for speed; each is held against its plain twin by tests.

    Attributes:
        domain: The row they were built from.
        generator, w_encoder, hypernetwork: As in `DomainModels`.
    """

    domain: Domain
    generator: FastSynthesis
    w_encoder: FastWEncoder
    hypernetwork: FastHypernetwork

    @classmethod
    def of(cls, models: DomainModels, dtype: torch.dtype) -> FastModels:
        """Arrange a domain's networks; float32 ones share most of their memory with the plain ones."""
        return cls(
            models.domain,
            FastSynthesis(models.generator, dtype),
            FastWEncoder(models.w_encoder, dtype),
            FastHypernetwork(models.hypernetwork, dtype),
        )


class HyperStyle:
    """One domain's models behind five verbs: align, invert, render, paste_back, measure.

    Safe to share between threads.

    Args:
        domain: The row the models were built from.
        models: Its networks, in evaluation mode and on one device.
        cache_bytes: Upper bound for adapted weights; the face in use is always kept.
        dtype: Type of the fast paths' arithmetic; None for what is fastest here, see `precision.fast_dtype`.

    Attributes:
        models: The plain float32 networks.
        fast: The same, arranged for speed on this device; everything people see goes through these.
        preview_px: Side of the picture that `preview` draws; a slow machine may choose another of the generator's.
    """

    def __init__(
        self,
        domain: Domain,
        models: DomainModels,
        cache_bytes: int = CACHE_BYTES,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.domain = domain
        self.models = models
        self.device = models.generator.w_avg.device
        self.fast = FastModels.of(models, dtype or fast_dtype(self.device, domain.resolution))
        self._directions = _read_directions(domain)
        self._prepared: Bounded[bytes, PreparedWeights] = Bounded(cache_bytes, lambda prepared: prepared.nbytes)
        self._previews = Corrections()
        self.preview_px = PREVIEW_PX
        self._text_editor: TextEditor | None = None
        self._text_lock = threading.Lock()
        self._baselines: dict[str, StyleEncoder] = {}
        self._judge: EmbeddingNetwork | None = None
        self._style_generators: dict[str, FastSynthesis] = {}
        self._styles_lock = threading.Lock()
        # By face, the newest of its carriers and what it was made from.
        self._carriers: weakref.WeakKeyDictionary[AlignedFace, tuple[bytes, DetailCarrier]]
        self._carriers = weakref.WeakKeyDictionary()
        self._baselines_lock = threading.Lock()
        self._carriers_lock = threading.Lock()

    @property
    def edits(self) -> list[EditRow]:
        """The sliders on offer, in the manifest's order."""
        return list(self._directions.rows) if self._directions else []

    # photo -> face

    def align(self, photo: Photo, face: int | Literal["largest"] = "largest") -> AlignedFace:
        """Find the faces in a photo and cut one out.

        Args:
            photo: A path, the bytes of a file, an open binary file, a PIL picture or an array, as for `open_photo`.
            face: "largest", or a number counted from 0 in order of size.

        Raises:
            NoFaceFound: There is no usable face.
            NoSuchFace: There are fewer faces than that.
            UnreadableImage: The file is not a picture (also `PhotoTooLarge`).
        """
        return choose_face(self.align_all(photo), face)

    def align_all(self, photo: Photo) -> list[AlignedFace]:
        """Find every face in a photo and cut each out, the largest first; raises as `align` does."""
        from hyperstyle.alignment import (  # brings MediaPipe, which a machine that only edits may lack
            align_faces,
            whole_photo,
        )

        if self.domain.crop == "whole":
            return [whole_photo(open_photo(photo), self.domain.picture_hw)]
        return align_faces(open_photo(photo), size=max(256, self.domain.resolution))

    # face -> inversion

    def target(self, face: AlignedFace | Photo | Tensor) -> Tensor:
        """Turn an aligned face into what the networks compare with.

        Args:
            face: From `align`; or a picture that already is such a crop, in any form that `open_photo` takes but text;
                or (B, 3, H, W) in [-1, 1], kept as it is.

        Returns:
            (1, 3, *domain.picture_hw) in [-1, 1], on the models' device.

        Raises:
            UsageError: It is text, such as the name of a photo that no face was cut out of.
            ShapeMismatch: A tensor of another shape, or with values outside [-1, 1].
            UnreadableImage: It is no picture (also `PhotoTooLarge`).
        """
        if isinstance(face, Tensor):
            _check_tensor(face, "The face")
            return face.to(self.device)
        picture: Any = getattr(face, "picture", face)
        if isinstance(picture, str):
            raise _no_face(face)
        rgb = picture.convert("RGB") if isinstance(picture, Image.Image) else open_photo(picture)
        return to_tensor(rgb, self.domain.picture_hw).to(self.device)

    def invert(
        self,
        face: AlignedFace | Photo | Tensor,
        steps: int | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
        method: str = "hyperstyle",
    ) -> Inversion:
        """Find the latent and the weight offsets with which the generator draws this very face.

        Args:
            face: As in `target`; several faces at once as a tensor.
            steps: Passes of the hypernetwork; None for the domain's own number, 0 for the encoder alone.
            on_step: Called with (0, picture) after the encoder and (i, picture) after refinement step i; pictures are
                (1, 3, *domain.picture_hw) in [-1, 1]. Other methods call it where they stand for their own steps.
            method: One of `methods`.

        Raises:
            UsageError: `steps` is not a whole number from 0 to `MAX_STEPS`, or given for a method that has none; or
                there is no such method in this domain.
            WeightsMissing: The method's files were not downloaded.
        """
        if method != "hyperstyle":
            if steps is not None:
                raise UsageError(f"The method '{method}' has no refinement steps; leave them out.")
            return self.inverter(method).invert(self.target(face), on_step)
        steps = self.domain.refinement_steps if steps is None else plain_scalar(steps)
        if not isinstance(steps, int) or not 0 <= steps <= MAX_STEPS:
            raise UsageError(f"The number of refinement steps must lie between 0 and {MAX_STEPS}, not {steps}.")
        inverter = self.inverter("hyperstyle", steps=steps)
        if on_step is None or self.preview_px >= self.domain.resolution:
            return inverter.invert(self.target(face), on_step)
        last: list[Tensor] = []

        def watch(step: int, picture: Tensor) -> None:
            last[:] = [picture]
            on_step(step, picture)

        inversion = inverter.invert(self.target(face), watch)
        self._correction(inversion, lambda: last[0])
        return inversion

    @property
    def methods(self) -> list[str]:
        """Names of the inversion methods for which this domain has the networks and this machine their weights."""
        return [name for name in METHODS if self._possible(name) and self._ready(name)]

    def _possible(self, method: str) -> bool:
        """Whether the domain could have this method, with its files there."""
        row = METHODS[method]
        models = self.models
        judged = "lpips" in self.domain.optional or models.lpips is not None or models.attributes is not None
        return (not row.needs or row.needs in self.domain.baselines) and (not row.descends or judged)

    def _ready(self, method: str) -> bool:
        """Whether the files of a possible method are there."""
        row = METHODS[method]
        judged = self.models.lpips is not None or self.models.attributes is not None
        return (not row.needs or self.domain.path(row.needs).exists()) and (not row.descends or judged)

    def inverter(self, method: str, **options: Any) -> Inverter:
        """Make an inversion method ready for this domain.

        Args:
            method: One of `methods`.
            options: The method's own.

        Raises:
            UsageError: There is no such method in this domain.
            WeightsMissing: There is, but its files were not downloaded.
            WeightsCorrupt: The weights of its encoder are damaged (also `ForeignWeights`).
        """
        if method not in self.methods:
            if self.domain.published and method in METHODS and self._possible(method):
                raise WeightsMissing(
                    f"The method '{method}' needs files that are not there for '{self.domain.name}'; get them with: "
                    f"python -m hyperstyle download {self.domain.name} --compare"
                )
            lacks = f" for '{self.domain.name}'" if method in METHODS else ""
            raise UsageError(f"There is no inversion method '{method}'{lacks}; {did_you_mean(method, self.methods)}")
        row = METHODS[method]
        needed = [self._baseline(row.needs)] if row.needs else []
        return row(self.models if row.descends else self.fast, *needed, **options)

    @property
    def judge(self) -> EmbeddingNetwork | None:
        """Says who a face is where methods are compared; None without any identity network.

        The domain's own network for comparisons, which no loss has asked, loaded on first use; else its usual one.
        """
        with self._baselines_lock:
            if self._judge is None and self.domain.judge and self.domain.path("judge").exists():
                self._judge = loader(self.domain, self.device)("judge")
            return self._judge or self.models.identity

    def _baseline(self, name: str) -> StyleEncoder:
        """One of the encoders that HyperStyle is compared with, loaded when it is first asked for."""
        with self._baselines_lock:
            if name not in self._baselines:
                self._baselines[name] = load_network(
                    lambda: build_baseline(self.domain, name), self.domain.path(name), self.device
                )
            return self._baselines[name]

    # inversions -> inversion

    def interpolate(self, a: Inversion, b: Inversion, t: float) -> Inversion:
        """Go part of the way from one face to another; 0 is `a`, 1 is `b`. Raises as `mixing.interpolate` does."""
        self._check_domain(a)
        _check_inversion(b)
        return mixing.interpolate(a, b, t, self._offsets)

    def mix_styles(self, a: Inversion, b: Inversion, take: str | Iterable[str | int]) -> Inversion:
        """Give a face the coarse, medium or fine layers of another one.

        Args:
            a: The face that is changed.
            b: The one it takes from.
            take: "coarse" (pose, shape), "medium" (features), "fine" (colours), several of them, or rows of the latent.

        Raises:
            UsageError: There is no such group or row (also what `interpolate` raises).
        """
        self._check_domain(a)
        _check_inversion(b)
        return mixing.mix_styles(a, b, take, self.models.generator.layers, self._offsets)

    def random_face(self, seed: int, truncation_psi: float | None = None) -> Inversion:
        """Make up a face that nobody has; the same seed makes the same one. Arguments as in `mixing.random_face`."""
        return mixing.random_face(self.domain, self.models.generator, seed, truncation_psi)

    def _offsets(self, inversion: Inversion) -> Deltas:
        """All weight offsets of an inversion, from the plain networks."""
        with torch.inference_mode():
            return inversion_deltas(self.models.hypernetwork, inversion, self.device)

    # inversion -> picture

    def render(
        self,
        inversion: Inversion,
        look: AnyLook = None,
        *values: Any,
        resolution: int | None = None,
        remember: bool = True,
        **parts: Any,
    ) -> Image.Image:
        """Draw an inverted face, edited.

        Args:
            inversion: One face, made in this domain.
            look: What is done to it; or strengths by edit name.
            values, parts: Or the look's parts, as `look_of` takes them: `edits`, `text`, `plain`, ...
            resolution: Stop at this smaller power of two for a quick preview; None for the full picture. Styles are
                always drawn in full.
            remember: False for a face or offset strength that will not be drawn again, as between two faces of a morph:
                its adapted weights then push no others out of the cache.

        Raises:
            WrongDomain: The inversion belongs to another domain.
            UnknownEdit: There is no such edit.
            UsageError: There is no such style.
            BadStrength: A strength is not finite or absurd.
            BadPrompt: A prompt is empty or too long (also `UnknownPrompt`).
            ShapeMismatch: The inversion holds several faces (use `draw`), or the generator has no such resolution.
        """
        self._check_domain(inversion)
        if len(inversion) != 1:
            raise ShapeMismatch(f"This inversion holds {len(inversion)} faces; draw them, or render one of them.")
        return to_photo(self.draw(inversion, look, *values, resolution=resolution, remember=remember, **parts))

    def render_recipe(
        self,
        recipe: Recipe,
        inversion: Inversion | None = None,
        resolution: int | None = None,
        face: AlignedFace | None = None,
    ) -> Image.Image:
        """Draw a face as a recipe says.

        Args:
            recipe: Made in this domain.
            inversion: The face; None for the one in the recipe, which gives the picture it was made from.
            resolution: As in `render`.
            face: The face in its photo, to draw the edit on that as `edit` does; None to draw it as `render` does.

        Raises:
            WrongDomain: The recipe belongs to another domain.
            UsageError: There is no face, neither given nor in the recipe (also what `render` raises).
        """
        self.check_recipe(recipe)
        rebuilt = recipe.inversion if inversion is None else inversion
        if rebuilt is None:
            raise UsageError("This recipe holds no face of its own; give it a photo, or a face saved by `invert`.")
        if face is not None and resolution is None:
            return self.edit(face, rebuilt, recipe.look)
        return self.render(rebuilt, recipe.look, resolution=resolution)

    def check_recipe(self, recipe: Recipe) -> None:
        """Refuse a recipe that `render_recipe` would refuse, before any work is put into a face.

        Raises:
            WrongDomain: It belongs to another domain (also what `check_look` raises).
        """
        if recipe.domain != self.domain.name:
            raise WrongDomain(
                f"This recipe was made in the domain '{recipe.domain}', but '{self.domain.name}' is loaded; "
                f"load '{recipe.domain}' or make a new recipe here."
            )
        self.check_look(recipe.look)

    def check_look(self, look: AnyLook) -> None:
        """Refuse a look that `render` would refuse, before any work is put into a face; raises as `render` does."""
        look = look_of(look).active
        if look.art_style:
            check_style(look.art_style, self.domain)
        check_strength("The offset strength", look.offset_strength, 0, MAX_OFFSET_STRENGTH)
        check_strength("The detail from the photo", look.detail, 0, 1)
        for name, strength in look.edits.items():
            self._w_shift(name, strength)
        for edit in look.words:
            self._style_shift(edit)

    def draw(
        self,
        inversion: Inversion,
        look: AnyLook = None,
        *values: Any,
        resolution: int | None = None,
        remember: bool = True,
        **parts: Any,
    ) -> Tensor:
        """As `render`, for any number of faces at once and as a tensor.

        Returns:
            (B, 3, *domain.picture_hw), nominally in [-1, 1], on the models' device.
        """
        look = look_of(look, *values, **parts).active
        if look.art_style:
            return self._draw_with(self.style(look.art_style), inversion, look)
        self._check_domain(inversion)
        check_strength("The offset strength", look.offset_strength, 0, MAX_OFFSET_STRENGTH)
        with torch.inference_mode():
            styles = self.models.generator.to_styles(self.edit_latent(inversion, look))
            for edit in look.words:
                styles = add_styles(styles, self._style_shift(edit))
            weights = self._weights(inversion, look.offset_strength, remember)
            return visible(self.fast.generator.render(styles, weights, resolution=resolution), self.domain)

    def edit(
        self,
        face: AlignedFace,
        inversion: Inversion,
        look: AnyLook = None,
        *values: Any,
        quick: bool = False,
        **parts: Any,
    ) -> Image.Image:
        """Draw an edit on the photograph: as `render`, with everything that the generator could not draw carried over.

        Args:
            face: From `align`.
            inversion: Of this face.
            look, values, parts: As in `render`; `detail` says how much of the photo's own detail is carried over.
            quick: For while a slider moves: no larger than `QUICK_SIDE`, and the edit is drawn by `preview`.

        Returns:
            An RGB square at the photo's own resolution, but never smaller than the domain's: without edits and with all
            of the detail the photo's own crop, bit for bit. A whole photo (cars, animals), and a look in a style,
            come back as `render` draws them.

        Raises:
            UsageError: `detail` does not lie between 0 and 1 (also what `render` raises).
        """
        if not hasattr(face, "own_crop"):
            raise _no_face(face)
        look = look_of(look, *values, **parts)
        self.check_look(look)
        paint = self.preview if quick else self.render
        if face.whole or look.art_style:
            return paint(inversion, look)
        side = face.own_side(self.domain.resolution)
        side = min(side, QUICK_SIDE) if quick else side
        if look.detail == 1 and not look.effective.edits and not look.effective.words:
            picture = face.own_crop(side)
        else:
            drawn = paint(inversion, self.look_on_photo(look))
            picture = self._carrier(face, inversion, look.offset_strength).carry(drawn, look.detail, side)
        if look.detail:
            picture.info[OWN_PIXELS] = look.detail
        return picture

    def look_on_photo(self, look: Look) -> Look:
        """The look whose edits show through the photo's detail as strongly as they do without it."""
        gain = {row.name: 1 + look.detail * (DETAIL_GAIN.get(row.group, 1.0) - 1) for row in self.edits}
        edits = {name: strength * gain.get(name, 1.0) for name, strength in look.edits.items()}
        return replace(look, edits=edits)

    def _carrier(self, face: AlignedFace, inversion: Inversion, offset_strength: float) -> DetailCarrier:
        """What carries a face's detail over; made once for as long as face and inversion stay the same."""
        from hyperstyle.detail import DetailCarrier

        key = inversion.digest(latent=True) + str(offset_strength).encode()
        with self._carriers_lock:
            known = self._carriers.get(face)
        if known is not None and known[0] == key:
            return known[1]
        rebuilt = self.render(inversion, offset_strength=offset_strength)
        photo = face.own_crop(face.own_side(self.domain.resolution))
        carrier = DetailCarrier(photo, rebuilt, face.crop_landmarks)
        with self._carriers_lock:
            self._carriers[face] = (key, carrier)
        return carrier

    def preview(self, inversion: Inversion, look: AnyLook = None, *values: Any, **parts: Any) -> Image.Image:
        """As `render`, quicker and smaller, for while a slider moves.

        The generator stops at `preview_px`. What the finer layers would still have done to the colours is made up for
        by a correction fitted once per face. Domains no larger than that are rendered in full, and so are styles.
        """
        look = look_of(look, *values, **parts)
        if self.preview_px >= self.domain.resolution or look.art_style:
            return self.render(inversion, look)
        correction = self._correction(inversion, lambda: self.draw(inversion))
        return to_photo(correction(self.draw(inversion, look, resolution=self.preview_px)))

    def _correction(self, inversion: Inversion, full: Callable[[], Tensor]) -> Correction:
        """The colour correction of a face's previews."""
        px = self.preview_px
        with torch.inference_mode():
            return self._previews.fit(inversion, px, lambda: self.draw(inversion, resolution=px), full)

    def stylise(
        self, inversion: Inversion, generator: Generator | FastSynthesis | str, look: AnyLook = None, **parts: Any
    ) -> Image.Image:
        """Draw an inverted face with a generator that was fine-tuned from the domain's: as a toon, a sketch, ...

        Only the offsets of fine layers are used; those of coarse ones belong to the world of the photo.

        Args:
            inversion: One face, made in this domain.
            generator: A generator from `weights.fine_tuned.load_fine_tuned`; or one of `styles`, which is also drawn by
                `render` with a look that names it.
            look, parts: As in `render`.

        Raises:
            UsageError: There is no such style.
            ShapeMismatch: The generator has other sizes (also what `render` raises).
        """
        look = look_of(look, **parts)
        if isinstance(generator, str):
            return self.render(inversion, replace(look, art_style=generator))
        return to_photo(self._draw_with(generator, inversion, look.active))

    def _draw_with(self, generator: Generator | FastSynthesis, inversion: Inversion, look: Look) -> Tensor:
        """Draw with a fine-tuned generator, as `draw` with the domain's own."""
        self._check_domain(inversion)
        check_strength("The offset strength", look.offset_strength, 0, MAX_OFFSET_STRENGTH)
        with torch.inference_mode():
            offsets = fine_offsets(
                self.models.hypernetwork, inversion, self.models.generator.layers, fine_px(self.domain.resolution)
            )
            scaled = {name: offset * look.offset_strength for name, offset in offsets.items()}
            shift = [self._style_shift(edit) for edit in look.words]
            square = stylise(generator, self.edit_latent(inversion, look), scaled, shift, noise="const")
            return visible(square, self.domain)

    @property
    def styles(self) -> list[str]:
        """Names of the styles that come with this domain, for `Look.art_style`."""
        return self.domain.styles

    def style(self, name: str) -> FastSynthesis:
        """Return the generator that draws in a style, loaded when it is first asked for.

        Raises:
            UsageError: There is no such style; suggests the nearest.
            WeightsCorrupt: Its weights are damaged (also `ForeignWeights`).
        """
        with self._styles_lock:
            if name not in self._style_generators:
                plain = load_style(name, self.domain, self.device)
                self._style_generators[name] = FastSynthesis(plain, self.fast.generator.dtype)
            return self._style_generators[name]

    def paste_back(
        self,
        photo: Photo,
        face: AlignedFace,
        picture: Image.Image,
        feather: float | None = None,
        shape: Shape | None = None,
        colour_match: float | None = None,
        blend: Blend | None = None,
        keep: Sequence[str] = (),
    ) -> Image.Image:
        """Put an edited face back where it was cut out; pixels outside the feathered mask stay exactly as they were.

        Args:
            photo: The photo `face` was cut from.
            face: From `align`.
            picture: From `render`.
            feather: Width of the soft edge as a fraction of the crop; None for the default, as in the following.
            shape: What is put back: "crop", "face" or "head".
            colour_match: 0 for the picture's own colours, 1 for the photo's light and tint.
            blend: "alpha", or "poisson" to let the colours meet the photo's all around.
            keep: Regions that stay the photo's own, names of `alignment.REGIONS`.

        Raises:
            UsageError: An option is out of range, there is no such region, or the face was found in a photo of another
                size.
        """
        from hyperstyle.alignment import PasteOptions

        given = {"feather": feather, "shape": shape, "colour_match": colour_match, "blend": blend}
        options = PasteOptions(keep=keep, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # the signature above has their types
        return self.paste_back_all(photo, [(face, picture, options)]).picture

    def paste_back_all(self, photo: Photo, edited: Sequence[EditedFace]) -> Pasted:
        """Put several edited faces back into their photo so that none undoes another's edit; raises as `paste_back`.

        Args:
            photo: The photo the faces were cut from.
            edited: For each face: what `align_all` found, its edited picture, and `alignment.PasteOptions`.

        Returns:
            The photo, the mask of what was edited, and the share of pixels that are exactly what they were.
        """
        from hyperstyle.alignment import paste_back_all

        for face, picture, _ in edited:
            if not hasattr(face, "own_crop"):
                raise _no_face(face)
            if not isinstance(picture, Image.Image):
                raise UsageError(f"The edited face must be a picture, as `render` returns it, not {_named(picture)}.")
        return paste_back_all(open_photo(photo), edited)

    def measure(self, target: Tensor, reconstruction: Tensor) -> dict[str, float]:
        """Compare a reconstruction with its target.

        Args:
            target: (B, 3, H, W) in [-1, 1].
            reconstruction: Of the same shape.

        Returns:
            Means over the batch: `identity` (cosine similarity, 1 is the same), `perceptual` (0 is the same), `l2`
            (mean squared difference), `ms_ssim` (1 is the same) and `psnr` (dB). Identity and perceptual distance are
            left out where the domain has no network for them.

        Raises:
            ShapeMismatch: They differ in shape, the target has values outside [-1, 1], or a value is not a number.
        """
        with torch.inference_mode():
            return {name: float(values.mean()) for name, values in self.measure_each(target, reconstruction).items()}

    def measure_each(self, target: Tensor, reconstruction: Tensor) -> dict[str, Tensor]:
        """As `measure`, with one value per picture: (B,) tensors."""
        _check_tensor(target, "The target")
        _check_tensor(reconstruction, "The reconstruction", bound=None)
        if target.shape != reconstruction.shape:
            raise ShapeMismatch(
                f"The target is {tuple(target.shape)} and the reconstruction {tuple(reconstruction.shape)}; compare "
                "pictures of one size, and as many of one as of the other."
            )
        target, reconstruction = target.to(self.device), reconstruction.to(self.device).clamp(-1, 1)
        models, found = self.models, {}
        with torch.inference_mode():
            if models.identity is not None:
                found["identity"] = metrics.identity(models.identity, target, reconstruction)
            if models.lpips is not None or models.attributes is not None:
                found["perceptual"] = perceptual_distance(models, target, reconstruction)
            found["l2"] = metrics.l2(target, reconstruction)
            found["ms_ssim"] = metrics.ms_ssim(target, reconstruction)
            found["psnr"] = metrics.psnr(target, reconstruction)
        return found

    @property
    def text_editor(self) -> TextEditor:
        """The editor behind text prompts; its model is loaded on first use.

        Raises:
            WeightsMissing: The domain has no text model.
        """
        with self._text_lock:
            if self._text_editor is None:
                from hyperstyle.editing.styleclip import TextEditor  # brings open_clip

                self._text_editor = TextEditor.load(self.domain, self.models.generator)
            return self._text_editor

    def edit_latent(self, inversion: Inversion, look: AnyLook) -> Tensor:
        """The latent of an edited face: (B, L, w_dim) on the models' device; raises as `render` does for edits."""
        look, w_plus = look_of(look).active, inversion.w_plus.to(self.device)
        for name, strength in look.edits.items():
            w_plus = w_plus + self._w_shift(name, strength, name not in look.unconditioned).to(self.device)
        return w_plus

    def _w_shift(self, name: str, strength: float, conditioned: bool = True) -> Tensor:
        if self._directions is None:
            raise UnknownEdit(f"The domain '{self.domain.name}' has no edits yet; train its directions first.")
        return self._directions.shift(name, strength, conditioned)

    def _style_shift(self, edit: TextEdit) -> Styles:
        return self.text_editor.style_shift(edit.prompt, edit.strength, edit.disentanglement, edit.neutral)

    def _weights(self, inversion: Inversion, strength: float, remember: bool = True) -> PreparedWeights | None:
        """The generator's weights with this face's offsets in them, from the cache where possible."""
        if not inversion.adapts or strength == 0:
            return None
        if not remember:
            prepared = self._prepare(inversion)
            return prepared if strength == 1 else self.fast.generator.blend(prepared, strength)
        # By content, so that the same face loaded twice, or in two sessions, is prepared once.
        digest = inversion.digest()
        prepared = self._prepared.get(digest, lambda: self._prepare(inversion))
        if strength == 1:
            return prepared
        weaker = digest + str(strength).encode()
        return self._prepared.get(weaker, lambda: self.fast.generator.blend(prepared, strength))

    def _prepare(self, inversion: Inversion) -> PreparedWeights:
        return self.fast.generator.prepare(inversion_deltas(self.fast.hypernetwork, inversion, self.device))

    def _check_domain(self, inversion: Inversion) -> None:
        _check_inversion(inversion)
        if inversion.domain != self.domain.name:
            raise WrongDomain(
                f"This face was rebuilt in the domain '{inversion.domain}', but '{self.domain.name}' is loaded; "
                f"load '{inversion.domain}' or rebuild the face from its photo."
            )
        layers, width = self.models.generator.num_ws, self.models.generator.config.w_dim
        if tuple(inversion.w_plus.shape[1:]) != (layers, width):
            raise WrongDomain(
                f"This face's latent is {tuple(inversion.w_plus.shape[1:])}, but the domain '{self.domain.name}' "
                f"needs ({layers}, {width}); rebuild the face from its photo."
            )


def _named(value: Any) -> str:
    """What somebody gave in place of what is needed, for a sentence."""
    return f"the text '{value[:40]}'" if isinstance(value, str) else f"a {type(value).__name__}"


def _check_inversion(value: Any) -> None:
    if not isinstance(value, Inversion):
        raise UsageError(
            f"A rebuilt face is needed, not {_named(value)}; make one with `invert`, or read a saved one with "
            "Inversion.load(...)."
        )


def _no_face(value: Any) -> UsageError:
    return UsageError(f"A face that was cut out is needed, not {_named(value)}; make one with `align`.")


def _check_tensor(values: Tensor, what: str, bound: float | None = 1.0) -> None:
    """Refuse a tensor that is no batch of pictures.

    Args:
        values: Should be (B, 3, H, W), of a float type and finite.
        what: Start of the sentence.
        bound: Largest magnitude; None for any, as generated pictures lie a little outside [-1, 1].

    Raises:
        ShapeMismatch: It is something else.
    """
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim != 4 or values.shape[1] != 3:
        given = f"{tuple(values.shape)} of {values.dtype}" if isinstance(values, Tensor) else _named(values)
        raise ShapeMismatch(f"{what} must be a tensor (B, 3, H, W) of floats in [-1, 1], not {given}.")
    if not values.numel():
        raise ShapeMismatch(f"{what} holds no picture: its shape is {tuple(values.shape)}.")
    low, high = (float(end) for end in torch.aminmax(values))
    if not math.isfinite(low) or not math.isfinite(high):
        raise ShapeMismatch(f"{what} holds a value that is not a finite number; look at where it comes from.")
    if bound is not None and max(-low, high) > bound + _ROUNDING:
        raise ShapeMismatch(
            f"{what} has values from {low:g} to {high:g}, and they must lie in [-1, 1]; of values from 0 to 255, give "
            "x / 127.5 - 1."
        )
