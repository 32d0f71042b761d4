"""Make the example photos: `python examples/make_examples.py`. Everyone beside this script is nobody.

The faces are drawn by the shipped generator of `photos` from random numbers; seeds were picked by looking at many, for
a diverse set.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageFilter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # so that the script runs from anywhere, without installing the package

import hyperstyle  # noqa: E402
from hyperstyle.images import save_picture  # noqa: E402
from hyperstyle.mixing import random_face  # noqa: E402

TRUNCATION = 0.85
SEEDS = {
    "portrait": 192,
    "beard": 119,
    "dark_hair": 83,
    "elder": 76,
    "glasses": 160,
    "long_hair": 103,
    "smile": 3,
    "young": 8,
}
GROUP = (172, 161, 113)
SIDE = 512
"""Of a photo, px: the generator's 256 px, enlarged."""
OVERLAP = 96
"""Of neighbours in the group, px, over which one fades into the other."""


def photograph(hs: hyperstyle.HyperStyle, seed: int) -> Image.Image:
    """One made-up face, with its surroundings."""
    inversion = random_face(hs.domain, hs.models.generator, seed, TRUNCATION)
    return hs.render(inversion).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def side_by_side(faces: list[Image.Image]) -> Image.Image:
    """A group: neighbours fade into each other."""
    step = SIDE - OVERLAP
    photo = Image.new("RGB", (step * (len(faces) - 1) + SIDE, SIDE))
    for number, face in enumerate(faces):
        mask = Image.new("L", (SIDE, SIDE), 255)
        if number:
            mask.paste(0, (0, 0, OVERLAP // 2, SIDE))
            mask = mask.filter(ImageFilter.GaussianBlur(OVERLAP / 6))
        photo.paste(face, (number * step, 0), mask)
    return photo


def main() -> None:
    """Draw and save the photos."""
    hs = hyperstyle.load("photos", "cpu")
    for name, seed in SEEDS.items():
        save_picture(photograph(hs, seed), HERE / f"{name}.jpg")
    save_picture(side_by_side([photograph(hs, seed) for seed in GROUP]), HERE / "group.jpg")


if __name__ == "__main__":
    main()
