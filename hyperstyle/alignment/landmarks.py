"""Find every face in a photo and its landmarks, and where a person is. The only file that imports MediaPipe.

    whole photo + overlapping tiles --detector--> boxes --level, enlarged crop--> face mesh --> 478 landmarks
    crop of one face --segmenter--> person or background, per pixel

The detector alone sees faces down to about a fourteenth of its picture's side, so larger photos are also searched in
tiles. Every candidate is then cut out with its eyes level and confirmed by the face mesh. A face of which the detector
is not certain is looked at from all four sides: turned photos are common, and it is surest of what it sees upright.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperstyle.errors import extra_missing

Points = NDArray[np.float64]

# Six contour points per eye in dlib's order (outer or inner corner, two above, corner, two below), so that eye centres
# mean the same as in the FFHQ recipe. "Left" is the left of the picture, the person's right.
LEFT_EYE = (33, 160, 158, 133, 153, 144)
RIGHT_EYE = (362, 385, 387, 263, 373, 380)
LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 61, 291
FOREHEAD, CHIN = 10, 152
LEFT_CHEEK, RIGHT_CHEEK = 234, 454

MIN_FACE_PX = 18  # below this the mesh puts eyes and mouth anywhere; such a face is left alone
SMALLEST_FACE_IN_TILE = 14  # the detector finds faces down to this part of its picture's side (12 px of 192 measured)
TILES_ACROSS = 3  # each level looks at tiles of a third of the side of the level above
TILE_OVERLAP = 0.3  # of a tile; a face up to this large is whole in at least one tile
DETECTOR_CONFIDENCE = 0.5
MESH_CONFIDENCE = 0.5
CERTAIN = 0.9  # of the detector's confidence: no face of 81 that was not upright reached it
CLOSE_UP = 0.5  # of the photo's short side: larger faces are also searched for with a margin around the photo
SAME_FACE_OVERLAP = 0.4  # two boxes that share more than this part of the smaller one are one face

_CLOSE_UP_FRAME = 2.0  # side of what is searched for close-ups, in sides of the photo
_CONTEXT_TO_TURN = 3.0  # side of the crop that is looked at from all four sides, in face sizes
_GREY = 128
_MESH_INPUT = 384  # px; the face fills half of it, twice what the mesh reads
_MESH_CONTEXT = 2.0  # side of the crop for the mesh, in face sizes

_NOISE = re.compile(  # what MediaPipe's C++ parts print for every user on every start, none of it about the photo
    rb"INFO: Created TensorFlow Lite|WARNING: All log messages before absl|"
    rb"[IW]\d{4} .*(inference_feedback_manager|landmark_projection_calculator|gl_context|face_landmarks|task_runner)"
)


@dataclass(frozen=True, eq=False)
class FoundFace:
    """One face's landmarks.

    Attributes:
        points: (478, 3) x, y in pixels of the photo, (0, 0) being the centre of the top left pixel, and depth z in
            pixels, smaller towards the camera. The last ten are the irises.
        score: The detector's confidence, 0 to 1.
    """

    points: Points
    score: float

    @property
    def landmarks(self) -> Points:
        """(478, 2) landmarks in the photo."""
        return self.points[:, :2]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom around all landmarks."""
        low, high = self.landmarks.min(axis=0), self.landmarks.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size_px(self) -> float:
        """The longer of forehead to chin and cheek to cheek; the same at any tilt."""
        p = self.landmarks
        return float(max(np.hypot(*(p[FOREHEAD] - p[CHIN])), np.hypot(*(p[LEFT_CHEEK] - p[RIGHT_CHEEK]))))


def find_faces(photo: Image.Image) -> list[FoundFace]:
    """Find all faces, the largest first.

    Faces are searched down to about 30 px, and up to those that fill the photo. In a large photo with one large face,
    those smaller than a fortieth of the photo's side are taken for passers-by and not looked for.

    Args:
        photo: RGB; it may lie on its side or upside down, and faces may be tilted by any angle.

    Returns:
        One entry per face, empty when there is none. Safe to call from several threads.
    """
    with _networks() as networks:
        found = _search(photo, networks, levels=3)
        if not found:  # a photo lying on its side: the detector knows faces tilted up to about 75 degrees
            for turns in (1, 3, 2):  # upside down is the rarest
                found = _search(photo, networks, 2, turns, found)
        found = _distinct([_righted(photo, face, networks) for face in found])
        for turns in {_quarter_turns(face) for face in found} - {0}:  # there may be more that lie as these do
            found = _search(photo, networks, 3, turns, found)
    return sorted(found, key=lambda face: face.size_px, reverse=True)


def person_mask(picture: Image.Image) -> NDArray[np.float32]:
    """Tell people from what is behind them, in a crop of one face or a photo of about its proportions.

    Args:
        picture: RGB; the network reads it at 256 px.

    Returns:
        (H, W) from 0 (background) to 1 (person: head, hair, body). Safe to call from several threads.
    """
    with _networks() as networks:
        return networks.person(picture)


def eyes_and_mouth(landmarks: Points) -> tuple[Points, Points, Points, Points]:
    """The four points that place the crop: left eye, right eye, left and right mouth corner, (2,) each."""
    return (
        landmarks[list(LEFT_EYE)].mean(axis=0),
        landmarks[list(RIGHT_EYE)].mean(axis=0),
        landmarks[LEFT_MOUTH_CORNER],
        landmarks[RIGHT_MOUTH_CORNER],
    )


# Searching


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A face the detector sees: centre (2,), side of its box and both eyes (2, 2), in photo pixels."""

    centre: Points
    side: float
    eyes: Points
    score: float


def _search(
    photo: Image.Image, networks: _Networks, levels: int, turns: int = 0, known: Sequence[FoundFace] = ()
) -> list[FoundFace]:
    """Find the upright faces: the whole photo, then tiles of a third, then of a ninth of its side; then one close up.

    Args:
        photo: RGB.
        networks: Of this process.
        levels: How many of the three sizes of tiles are searched.
        turns: Quarter turns clockwise by which faces may lie in the photo.
        known: Faces found before; they are part of the answer.
    """
    found = list(known)
    long_side = float(max(photo.size))
    smallest_tile = float(MIN_FACE_PX * SMALLEST_FACE_IN_TILE)
    tile = long_side
    for level in range(levels):
        largest = max((face.size_px for face in found), default=0.0)
        if level > 1 and largest > tile / TILES_ACROSS:
            break
        if level > 0:
            if tile <= smallest_tile:
                break  # the level above already saw the smallest usable faces
            tile = max(tile / TILES_ACROSS, smallest_tile)
        for box in _tiles(photo.size, tile):
            for candidate in networks.detect(photo, box, turns * np.pi / 2):
                found = _with(found, photo, candidate, networks)
    least = CLOSE_UP * min(photo.size)
    if not any(face.size_px > least for face in found):
        (box,) = _tiles(photo.size, long_side * _CLOSE_UP_FRAME)
        for candidate in networks.detect(photo, box, turns * np.pi / 2, _GREY):
            if candidate.side > least:
                found = _with(found, photo, candidate, networks, least)
    return found


def _with(
    found: list[FoundFace], photo: Image.Image, candidate: _Candidate, networks: _Networks, least: float = MIN_FACE_PX
) -> list[FoundFace]:
    """Faces found so far, and a candidate that is another one of at least so many px."""
    if any(_covers(face, candidate) for face in found):
        return found
    face = _confirm(photo, candidate, networks)
    return found if face is None or face.size_px < least else _distinct([*found, face])


def _righted(photo: Image.Image, face: FoundFace, networks: _Networks) -> FoundFace:
    """The face as it is surest. Upside down, the detector takes a mouth for eyes and the mesh follows it.

    Looked at from all four sides, a face is surest upright.
    """
    if face.score > CERTAIN:
        return face
    centre, half = (np.add(face.box[:2], face.box[2:])) / 2, face.size_px * _CONTEXT_TO_TURN / 2
    box = (*(centre - half), *(centre + half))
    best, most = None, face.score  # what is less certain than it was would be a step back
    for turns in (0, 2, 1, 3):
        for candidate in networks.detect(photo, box, _tilt(face) + turns * np.pi / 2, _GREY):
            if candidate.score > most and _covers(face, candidate):
                best, most = candidate if turns else None, candidate.score
    righted = None if best is None else _confirm(photo, best, networks)
    return face if righted is None else righted


def _tilt(face: FoundFace) -> float:
    """By how much a face is turned clockwise in the photo, in radians from -pi to pi."""
    left_eye, right_eye, _, _ = eyes_and_mouth(face.landmarks)
    return float(np.arctan2(*(right_eye - left_eye)[::-1]))


def _quarter_turns(face: FoundFace) -> int:
    """By how many quarters a face is turned clockwise, 0 to 3."""
    return round(_tilt(face) / (np.pi / 2)) % 4


def _tiles(size: tuple[int, int], tile: float) -> list[tuple[float, float, float, float]]:
    """Overlapping squares (left, top, right, bottom) that cover a picture evenly; a large one is centred over it."""
    starts = []
    for length in size:
        if length <= tile:
            starts.append(np.array([(length - tile) / 2]))
        else:
            count = int(np.ceil((length - tile) / (tile * (1 - TILE_OVERLAP)))) + 1
            starts.append(np.linspace(0, length - tile, count))
    return [(float(x), float(y), float(x + tile), float(y + tile)) for y in starts[1] for x in starts[0]]


def _confirm(photo: Image.Image, candidate: _Candidate, networks: _Networks) -> FoundFace | None:
    """Put the mesh on a candidate, twice: the first mesh says better than the detector how to level the second crop."""
    right = candidate.eyes[1] - candidate.eyes[0]
    points = networks.mesh(photo, candidate.centre, candidate.side, np.arctan2(right[1], right[0]))
    if points is None:
        return None
    left_eye, right_eye, _, _ = eyes_and_mouth(points[:, :2])
    right = right_eye - left_eye
    face = FoundFace(points, candidate.score)
    centre = (points[FOREHEAD, :2] + points[CHIN, :2] + points[LEFT_CHEEK, :2] + points[RIGHT_CHEEK, :2]) / 4
    refined = networks.mesh(photo, centre, face.size_px, np.arctan2(right[1], right[0]))
    face = face if refined is None else FoundFace(refined, candidate.score)
    return face if face.size_px >= MIN_FACE_PX else None


def _covers(face: FoundFace, candidate: _Candidate) -> bool:
    """Whether a candidate is a face already found."""
    half = candidate.side / 2
    box = (*(candidate.centre - half), *(candidate.centre + half))
    return _overlap(face.box, box) > SAME_FACE_OVERLAP


def _distinct(faces: list[FoundFace]) -> list[FoundFace]:
    """Keep the surest of faces that overlap."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(_overlap(face.box, other.box) <= SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Shared area of two boxes as a part of the smaller one: a mesh on half a face counts as that face."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


# The networks


class _Networks:
    """MediaPipe's face detector, face mesh and person segmenter. Not thread-safe; use through `_networks`."""

    def __init__(self) -> None:
        # These must be set before the import; setdefault leaves a developer's own choice alone.
        os.environ.setdefault("GLOG_minloglevel", "2")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with warnings.catch_warnings():
            # MediaPipe's own dependencies warn about themselves while they are imported; none of it is about us.
            warnings.simplefilter("ignore")
            try:
                from mediapipe.python.solutions import face_detection, face_mesh
            except ModuleNotFoundError:
                raise extra_missing("Finding faces in photos", "align") from None
        self._detector = face_detection.FaceDetection(model_selection=1, min_detection_confidence=DETECTOR_CONFIDENCE)
        self._mesh = face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=2, refine_landmarks=True, min_detection_confidence=MESH_CONFIDENCE
        )
        self._segmenter: Any = None  # few photos need it, and it takes a tenth of a second to build
        self._has_seen_a_face = False
        blank = Image.new("RGB", (64, 64))  # the first run is slow and noisy
        self.detect(blank, (0, 0, 64, 64))
        self.mesh(blank, np.array([32.0, 32.0]), 32, 0.0)

    def detect(
        self, photo: Image.Image, box: tuple[float, ...], angle: float = 0.0, outside: int = 0
    ) -> list[_Candidate]:
        """Find faces in a square part of the photo.

        Args:
            photo: RGB.
            box: Left, top, right and bottom of the square before it is turned.
            angle: By which the square is turned clockwise about its centre, in radians; faces in it should be upright.
            outside: Grey value of what lies outside the photo, 0 to 255.
        """
        left, top, right, bottom = box
        side = right - left
        centre = np.array([(left + right) / 2, (top + bottom) / 2])
        # The detector reads 192 px; it shrinks without antialiasing, Pillow does not.
        out = max(1, int(min(side, 2 * 192)))
        pixels = _cut(photo, centre, side, angle, out, outside)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        result = self._detector.process(pixels)
        candidates = []
        for detection in result.detections or []:
            data = detection.location_data
            frame = data.relative_bounding_box
            middle = (frame.xmin + frame.width / 2, frame.ymin + frame.height / 2)
            points = np.array([middle, *((point.x, point.y) for point in data.relative_keypoints)])
            # MediaPipe counts from the corner of a pixel, we from its centre.
            points = centre + side * (points - 0.5) @ turn - 0.5
            size = float(side * max(frame.width, frame.height))
            candidates.append(_Candidate(points[0], size, points[1:3], float(detection.score[0])))
        return candidates

    def mesh(self, photo: Image.Image, centre: Points, face_px: float, angle: float) -> Points | None:
        """Put the mesh on the face nearest to a place, levelled by `angle`; (478, 3) in photo pixels, or None."""
        side = face_px * _MESH_CONTEXT
        pixels = _cut(photo, centre + 0.5, side, angle, _MESH_INPUT)
        with contextlib.nullcontext() if self._has_seen_a_face else _without_noise():
            result = self._mesh.process(pixels)
        meshes = [np.array([[p.x, p.y, p.z] for p in face.landmark]) for face in result.multi_face_landmarks or []]
        if not meshes:
            return None
        self._has_seen_a_face = True
        points = min(meshes, key=lambda mesh: float(np.hypot(*(mesh[:, :2].mean(axis=0) - 0.5)))) - (0.5, 0.5, 0)
        points *= side
        cos, sin = np.cos(angle), np.sin(angle)
        points[:, :2] = points[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + centre
        return points

    def person(self, picture: Image.Image) -> NDArray[np.float32]:
        """Where the person is, (H, W) from 0 to 1."""
        pixels = np.array(picture.convert("RGB"))
        with contextlib.nullcontext() if self._segmenter is not None else _without_noise():
            if self._segmenter is None:
                from mediapipe.python.solutions import selfie_segmentation

                self._segmenter = selfie_segmentation.SelfieSegmentation(model_selection=0)
            mask = self._segmenter.process(pixels).segmentation_mask
        return np.clip(np.asarray(mask, dtype=np.float32), 0, 1)

    def close(self) -> None:
        """Stop MediaPipe's threads."""
        self._detector.close()
        self._mesh.close()
        if self._segmenter is not None:
            self._segmenter.close()


def _cut(
    photo: Image.Image, centre: Points, side: float, angle: float, out: int, outside: int = 0
) -> NDArray[np.uint8]:
    """Cut a square turned by `angle` (radians) as (out, out, 3), antialiased, of one grey value outside the photo.

    Only here the photo is measured as Pillow does: (0, 0) is the corner of the top left pixel.
    """
    reach = side / 2 * (abs(np.cos(angle)) + abs(np.sin(angle))) + 2
    left, top = np.floor(np.maximum(centre - reach, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(centre + reach, photo.size)).astype(int)
    if right <= left or bottom <= top:
        return np.full((out, out, 3), outside, dtype=np.uint8)
    shrink = max(1.0, side / out)
    size = (max(1, round((right - left) / shrink)), max(1, round((bottom - top) / shrink)))
    part = photo.resize(size, Image.Resampling.BILINEAR, (left, top, right, bottom), reducing_gap=2.0)
    scale = np.array(size) / (right - left, bottom - top)
    step = side / out
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    corner = centre - (np.array([[cos, -sin], [sin, cos]]) @ np.array([out / 2, out / 2])) - (left, top)
    matrix = (
        cos * scale[0], -sin * scale[0], corner[0] * scale[0],
        sin * scale[1], cos * scale[1], corner[1] * scale[1],
    )  # fmt: skip
    turned = part.transform(
        (out, out), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=(outside,) * 3
    )
    return np.asarray(turned)


_shared: _Networks | None = None
_lock = threading.Lock()
_unusable = False  # in a child forked from a process that had already used MediaPipe


@contextlib.contextmanager
def _networks() -> Iterator[_Networks]:
    """Lend the process's one set of networks to one thread at a time; built on first use, which takes seconds."""
    global _shared
    with _lock:
        if _unusable:
            raise RuntimeError(
                "MediaPipe was used before this process was forked and would crash in it; search for faces in the "
                "parent process, or start workers with 'spawn'"
            )
        if _shared is None:
            with _without_noise():
                _shared = _Networks()
        yield _shared


def _close() -> None:
    """Stop MediaPipe's threads before the interpreter goes; the networks are built again when needed."""
    global _shared
    with _lock:
        if _shared is not None and not _unusable:
            _shared.close()
            _shared = None


def _after_fork() -> None:
    """A child has a copy of the networks without their threads, and of a lock that another thread may have held."""
    global _lock, _unusable
    _lock = threading.Lock()
    _unusable = _unusable or _shared is not None


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile and drop the lines that match `_NOISE`.

    MediaPipe's C++ parts write to the file descriptor and offer no switch for it. Everything else, from any thread, is
    passed on at the end.
    """
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:  # a process without stderr has nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            rest = b"".join(line for line in held if not _NOISE.match(line))
            if rest:
                with contextlib.suppress(OSError):
                    os.write(2, rest)
