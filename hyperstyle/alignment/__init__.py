"""From a photo to upright faces in the FFHQ frame, and back.

`align_faces` finds and cuts out, `paste_back` puts an edited face back. MediaPipe is loaded when the first photo is
searched, not on import.
"""

from hyperstyle.alignment.faces import AlignedFace, align_faces, whole_photo
from hyperstyle.alignment.landmarks import FoundFace, find_faces
from hyperstyle.alignment.paste import changed_fraction, paste_back
from hyperstyle.alignment.report import AlignmentReport

__all__ = [
    "AlignedFace",
    "AlignmentReport",
    "FoundFace",
    "align_faces",
    "changed_fraction",
    "find_faces",
    "paste_back",
    "whole_photo",
]
