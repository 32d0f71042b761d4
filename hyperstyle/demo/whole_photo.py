"""Back in the whole photo: which faces go back, how, and what is said about the result. No gradio in here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyperstyle.alignment import REGIONS, PasteOptions, movement_warning
from hyperstyle.alignment.paste import BLENDS, MAX_FEATHER, SHAPES, Pasted
from hyperstyle.demo import texts
from hyperstyle.errors import HyperStyleError

if TYPE_CHECKING:
    from PIL import Image

    from hyperstyle.alignment import AlignedFace
    from hyperstyle.demo.faces import Rebuilt
    from hyperstyle.demo.sessions import Session
    from hyperstyle.demo.state import Controls
    from hyperstyle.recipes import Recipe


@dataclass(frozen=True)
class TakeHome:
    """How a person wants to take the result away.

    Attributes:
        paste: How faces go back into the photo.
        mark: Write into the picture, for everybody to see, that it was edited.
        face: Put the rebuilt face into recipes, in files and in downloads.
    """

    paste: PasteOptions = field(default_factory=PasteOptions)
    mark: bool = False
    face: bool = False


def read_take_home(value: Any) -> TakeHome:
    """Understand what a page sent; whatever makes no sense is left out."""
    value = value if isinstance(value, dict) else {}
    usual, keep = PasteOptions(), value.get("keep")
    kept = keep if isinstance(keep, list) else []
    shape, blend = value.get("shape"), value.get("blend")
    return TakeHome(
        PasteOptions(
            shape if shape in SHAPES else usual.shape,
            _between(value, "feather", MAX_FEATHER, usual.feather),
            _between(value, "colour_match", 1.0, usual.colour_match),
            blend if blend in BLENDS else usual.blend,
            tuple(name for name in REGIONS if name in kept),
        ),
        value.get("mark") is True,
        value.get("face") is True,
    )


def write_take_home(take: TakeHome) -> dict[str, Any]:
    """The same as plain data for the page."""
    return {
        "shape": take.paste.shape,
        "feather": take.paste.feather,
        "colour_match": take.paste.colour_match,
        "blend": take.paste.blend,
        "keep": list(take.paste.keep),
        "mark": take.mark,
        "face": take.face,
    }


def take_of(recipe: Recipe) -> dict[str, Any]:
    """What a recipe says of it, as plain data for the page; what it leaves open is not in there."""
    said: dict[str, Any] = {} if recipe.paste is None else {**vars(recipe.paste), "keep": list(recipe.paste.keep)}
    return said if recipe.mark is None else {**said, "mark": recipe.mark}


def faces_to_paste(session: Session, controls: Controls) -> list[tuple[Rebuilt, Controls]]:
    """Every edited face of the photo with its controls; where none is edited, the one on show.

    Args:
        session: The page.
        controls: Where the controls of the face on show stand.

    Raises:
        HyperStyleError: There is no face, or it is of no photo.
    """
    with session.lock:
        rebuilt = session.rebuilt
        if rebuilt is None:
            raise HyperStyleError(texts.NO_FACE_YET)
        if rebuilt.photo is None:
            raise HyperStyleError(texts.FACE_WITHOUT_PHOTO)
        entries = [history.current for history in session.aside.values()] if session.index >= 0 else []
    others = [(entry.rebuilt, entry.controls) for entry in entries if entry is not None and entry.controls.changes]
    return others if others and not controls.changes else [*others, (rebuilt, controls)]


def lines_about(pasted: Pasted, faces: int) -> tuple[str, ...]:
    """What is true of the result: the share of untouched pixels, rounded down, and how many faces went back."""
    percent = math.floor(1000 * pasted.unchanged_fraction) / 10
    said = texts.WHOLE_UNCHANGED.format(percent=f"{percent:g}")
    return (said,) if faces == 1 else (said, texts.WHOLE_FACES.format(count=faces))


def warnings_about(faces: list[tuple[AlignedFace, Image.Image]], options: PasteOptions) -> tuple[str, ...]:
    """Whether kept parts of the original may not meet the edited face; looked for only where something is kept."""
    if not options.keep:
        return ()
    return tuple(dict.fromkeys(said for face, edited in faces if (said := movement_warning(face, edited))))


def _between(value: Mapping[str, Any], name: str, most: float, usual: float) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
        return usual
    return float(number)
