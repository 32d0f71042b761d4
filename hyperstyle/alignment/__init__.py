"""From a photo to upright faces in the FFHQ frame, and back.

`align_faces` finds and cuts out, `paste_back` puts an edited face back, `lock_regions` keeps parts of the original.
MediaPipe is loaded when the first photo is searched, not on import.
"""

from hyperstyle.alignment.faces import AlignedFace, align_faces, whole_photo
from hyperstyle.alignment.landmarks import FoundFace, find_faces
from hyperstyle.alignment.paste import (
    BLENDS,
    SHAPES,
    Blend,
    EditedFace,
    Pasted,
    PasteOptions,
    Shape,
    changed_fraction,
    paste_back,
    paste_back_all,
)
from hyperstyle.alignment.regions import (
    REGIONS,
    Locked,
    check_regions,
    lock_regions,
    movement_warning,
    region_masks,
)
from hyperstyle.alignment.report import AlignmentReport

__all__ = [
    "BLENDS",
    "REGIONS",
    "SHAPES",
    "AlignedFace",
    "AlignmentReport",
    "Blend",
    "EditedFace",
    "FoundFace",
    "Locked",
    "PasteOptions",
    "Pasted",
    "Shape",
    "align_faces",
    "changed_fraction",
    "check_regions",
    "find_faces",
    "lock_regions",
    "movement_warning",
    "paste_back",
    "paste_back_all",
    "region_masks",
    "whole_photo",
]
