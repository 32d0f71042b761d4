"""Draw example photos of the world `portraits`: `PYTHONPATH=. python examples/drawn/make_drawn.py`."""

from __future__ import annotations

from pathlib import Path

import torch

from hyperstyle.images import save_picture
from hyperstyle.synthetic.parameters import Parameters, neutral_parameters
from hyperstyle.synthetic.photos import Person, photograph

HERE = Path(__file__).resolve().parent


def person(**values: float) -> Parameters:
    """One portrait: the unremarkable face with some values changed."""
    parameters = neutral_parameters()
    for name, value in values.items():
        parameters[name] = torch.tensor([float(value)])
    return parameters


MIRA = person(
    yaw=-14,
    smile=0.55,
    femininity=0.9,
    age=29,
    skin_tone=0.42,
    hair_length=0.75,
    hair_curl=0.7,
    hair_volume=0.7,
    hair_shade=0.35,
    lip_colour=0.6,
    eye_colour=0.5,
    clothes_hue=350,
    clothes_saturation=0.5,
    collar=0.5,
    brow_thickness=0.4,
)
TOMA = person(
    yaw=10,
    smile=0.3,
    femininity=0.1,
    age=44,
    skin_tone=0.2,
    hair_length=0.1,
    beard=0.8,
    moustache=0.8,
    hair_shade=0.45,
    glasses=1,
    glasses_shape=-0.4,
    clothes_hue=210,
    clothes_light=0.35,
    jaw=0.4,
    eye_colour=0.8,
    hair_parting=0.5,
)
ADA = person(
    yaw=4,
    smile=0.8,
    mouth_open=0.15,
    femininity=0.75,
    age=67,
    skin_tone=0.75,
    hair_length=0.35,
    hair_grey=0.8,
    hair_curl=0.5,
    clothes_hue=160,
    clothes_saturation=0.45,
    collar=0.2,
    face_width=0.3,
    light_x=0.5,
)
KAI = person(
    yaw=22,
    smile=0.15,
    femininity=0.35,
    age=22,
    skin_tone=0.1,
    hair_length=0.25,
    hair_shade=0.8,
    hair_red=0.7,
    fringe=0.7,
    eye_colour=0.95,
    clothes_hue=45,
    clothes_saturation=0.6,
    hair_volume=0.6,
    light_x=-0.5,
    face_width=-0.4,
)


def main() -> None:
    """Draw and save the photos."""
    photos = {
        "portrait": photograph([Person(MIRA, (0.5, 0.44), 0.60)], (900, 900), seed=11),
        "glasses": photograph([Person(TOMA, (0.48, 0.46), 0.55, 7)], (1000, 800), seed=5),
        "elder": photograph([Person(ADA, (0.52, 0.47), 0.55, -4)], (800, 1000), seed=21),
        "group": photograph(
            [
                Person(KAI, (0.20, 0.56), 0.36, -9),
                Person(ADA, (0.82, 0.58), 0.33, 6),
                Person(TOMA, (0.5, 0.60), 0.46, 2),
            ],
            (1280, 853),
            seed=9,
        ),
    }
    for name, photo in photos.items():
        save_picture(photo, HERE / f"{name}.jpg")


if __name__ == "__main__":
    main()
