"""Faces found, levelled and cut out in the FFHQ frame; what the report says about them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from hyperstyle.alignment import align_faces, crop, find_faces
from hyperstyle.alignment.landmarks import FoundFace, eyes_and_mouth
from hyperstyle.alignment.report import head_pose, make_report
from hyperstyle.errors import NoFaceFound
from hyperstyle.images import open_photo, to_photo
from hyperstyle.synthetic.parameters import sample_parameters
from hyperstyle.synthetic.renderer import render

SIZE = 256


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    """A real photo, 512 px; the face is about 107 px tall, level and looks at the camera."""
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def mesh(astronaut) -> FoundFace:
    return find_faces(astronaut)[0]


def scaled(photo: Image.Image, factor: float) -> Image.Image:
    size = round(photo.width * factor), round(photo.height * factor)
    return photo.resize(size, Image.Resampling.LANCZOS)


def canvas(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (96, 110, 124))


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).mean())


# The geometry, on numbers


def test_quad_of_a_level_face() -> None:
    left_eye, right_eye = np.array([40.0, 50.0]), np.array([60.0, 50.0])
    quad = crop.face_quad(left_eye, right_eye, np.array([42.0, 75.0]), np.array([58.0, 75.0]))
    # Eyes to mouth is 25, so the half side is max(2 * 20, 1.8 * 25) = 45 and the centre lies 2.5 below the eyes.
    assert quad == pytest.approx(np.array([[5, 7.5], [5, 97.5], [95, 97.5], [95, 7.5]]))


def test_quad_turns_and_grows_with_the_face() -> None:
    points = np.array([[40.0, 50.0], [60.0, 50.0], [42.0, 75.0], [58.0, 76.0]])
    angle = np.radians(33)
    turn = 1.7 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = crop.face_quad(*points) @ turn + (7, -5)
    assert crop.face_quad(*(points @ turn + (7, -5))) == pytest.approx(expected)


@pytest.mark.parametrize("size", [128, 256, 640, 1024])
def test_uncut_square_comes_back_unchanged(size: int) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), dtype=np.uint8))
    smooth = noise.filter(ImageFilter.GaussianBlur(12))
    quad = np.array([[200.0, 180.0], [200, 1204], [1224, 1204], [1224, 180]])
    expected = smooth.crop((200, 180, 1224, 1204)).resize((size, size), Image.Resampling.BOX)
    picture = crop.crop_face(smooth, quad - 0.5, size)
    assert picture.size == (size, size)
    assert difference(picture, expected) < 0.6


def test_border_is_blurred_and_fades_to_one_colour() -> None:
    stripes = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = 255
    quad = np.array([[-200.0, 20.0], [-200, 380], [160, 380], [160, 20]])
    picture = np.asarray(crop.crop_face(Image.fromarray(stripes), quad, 360), dtype=float)
    assert picture[:, 250:].std() > 60  # inside the photo, away from its edge: untouched
    assert picture[:, 100:180].std() < 30  # outside: blurred
    assert picture[:, :10].std() < 2  # and of one colour at the rim


def test_no_border_without_need() -> None:
    plan = crop.plan_crop(np.array([[300.0, 300.0], [300, 700], [700, 700], [700, 300]]), (1000, 1000))
    assert plan.padding == (0, 0, 0, 0)
    assert plan.box == (260, 260, 740, 740)


def test_large_crops_are_shrunk_first() -> None:
    quad = np.array([[0.0, 0.0], [0, 4200], [4200, 4200], [4200, 0]])
    assert crop.plan_crop(quad, (4300, 4300), 1024).shrink == 2  # the recipe
    assert crop.plan_crop(quad, (4300, 4300), 256).shrink == 8
    # A face seen through a shrunk photo is read at a place that differs by less than a pixel of that photo.
    assert np.abs(crop.sampled_quad(quad, (4300, 4300), 1024) - quad).max() < 2


def test_wide_blur_equals_the_direct_sum() -> None:
    plane = np.random.default_rng(1).normal(size=(1, 60, 45)).astype(np.float32)
    sigma, radius = 3.0, 12
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    mirrored = np.pad(plane[0].astype(float), radius, "symmetric")
    rows = np.apply_along_axis(lambda line: np.convolve(line, kernel, "valid"), 1, mirrored)
    expected = np.apply_along_axis(lambda line: np.convolve(line, kernel, "valid"), 0, rows)
    (blurred,) = crop.blur(plane, sigma)
    assert np.abs(blurred - expected).max() < 1e-4


def test_points_go_to_the_crop_and_back() -> None:
    quad = crop.face_quad(*np.array([[40.0, 50.0], [60.0, 56.0], [39.0, 75.0], [55.0, 79.0]]))
    points = np.random.default_rng(0).uniform(-20, 120, (50, 2))
    assert crop.quad_to_photo(quad, crop.photo_to_quad(quad, points)) == pytest.approx(points)
    assert crop.photo_to_quad(quad, quad) == pytest.approx(np.array([[0, 0], [0, 1], [1, 1], [1, 0]]), abs=1e-9)


def test_outside_fraction() -> None:
    quad = np.array([[-25.5, 9.5], [-25.5, 59.5], [24.5, 59.5], [24.5, 9.5]])
    assert crop.outside_fraction(quad, (100, 100)) == pytest.approx(0.5, abs=0.01)
    assert crop.outside_fraction(quad + 40, (200, 200)) == 0


# A real photo


def test_report_of_a_frontal_photo(astronaut) -> None:
    (face,) = align_faces(astronaut, SIZE)
    report = face.report
    assert abs(report.yaw_deg) < 5
    assert abs(report.pitch_deg) < 6
    assert abs(report.roll_deg) < 6
    assert 95 < report.face_px < 120
    assert report.outside_fraction == 0
    assert report.warnings == ()
    assert face.index == 0
    assert face.picture.size == (SIZE, SIZE)
    assert face.landmarks.shape == (478, 2)
    left, top, right, bottom = face.box
    assert 170 < left < right < 280
    assert 60 < top < bottom < 190


@pytest.mark.parametrize("size", [128, 256, 1024])
def test_aligned_eyes_and_mouth_are_at_the_ffhq_places(astronaut, size: int) -> None:
    """The crop's definition, checked on its pixels: eyes level, 0.1 of the way to the mouth above the centre."""
    picture = align_faces(astronaut, size)[0].picture
    left, right, left_mouth, right_mouth = (point / size for point in eyes_and_mouth(find_faces(picture)[0].landmarks))
    eyes, mouth = (left + right) / 2, (left_mouth + right_mouth) / 2
    assert abs(left[1] - right[1]) < 0.01
    assert eyes[0] == pytest.approx(0.5, abs=0.01)
    assert eyes[1] == pytest.approx(0.5 - 0.1 * (mouth - eyes)[1], abs=0.01)
    half_side = max(2.0 * np.hypot(*(right - left)), 1.8 * np.hypot(*(mouth - eyes)))
    assert half_side == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("angle", [30, -30, 90, 135, 180])
def test_tilted_photos_give_the_same_upright_crop(astronaut, angle: int) -> None:
    straight = align_faces(astronaut, SIZE)[0]
    turned = astronaut.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    (face,) = align_faces(turned, SIZE)
    assert difference(face.picture, straight.picture) < 5
    expected = straight.report.roll_deg - angle
    assert (face.report.roll_deg - expected + 180) % 360 - 180 == pytest.approx(0, abs=2)
    assert face.report.yaw_deg == pytest.approx(straight.report.yaw_deg, abs=2)
    assert face.report.face_px == pytest.approx(straight.report.face_px, rel=0.02)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotated_file_gives_the_same_crop(astronaut, orientation: int) -> None:
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    astronaut.transpose(turn).save(buffer, "PNG", exif=exif)
    (face,) = align_faces(open_photo(buffer.getvalue()), SIZE)
    assert face.picture.tobytes() == align_faces(astronaut, SIZE)[0].picture.tobytes()


def test_resolution_of_the_photo_does_not_move_the_crop(astronaut) -> None:
    small, large = align_faces(astronaut, SIZE)[0], align_faces(scaled(astronaut, 5), SIZE)[0]
    assert np.abs((large.quad + 0.5) / 5 - 0.5 - small.quad).max() < 1.5
    assert difference(small.picture, large.picture) < 4


def test_grey_photo(astronaut) -> None:
    assert len(align_faces(astronaut.convert("L"), SIZE)) == 1


def test_two_people_largest_first(astronaut) -> None:
    photo = canvas(1500, 800)
    photo.paste(scaled(astronaut, 0.8), (30, 200))
    photo.paste(scaled(astronaut, 1.4), (700, 60))
    large, small = align_faces(photo, SIZE)
    assert [large.index, small.index] == [0, 1]
    assert large.report.face_px / small.report.face_px == pytest.approx(1.4 / 0.8, rel=0.05)
    assert large.box[0] > 700 > small.box[2]
    assert difference(large.picture, small.picture) < 6


def test_group_of_small_faces(astronaut) -> None:
    photo = canvas(1600, 900)
    places = [(60, 90), (420, 500), (800, 120), (1180, 430)]
    for place in places:
        photo.paste(scaled(astronaut, 0.5), place)
    faces = align_faces(photo, SIZE)
    assert len(faces) == len(places)
    found = sorted((face.box[0] + face.box[2]) / 2 for face in faces)
    assert found == pytest.approx([place[0] + 112 for place in places], abs=5)


@pytest.mark.parametrize("place", [(1300, 700), (40, 1000)])
def test_face_of_40_px_in_a_large_photo(astronaut, place: tuple[int, int]) -> None:
    photo = canvas(2000, 1500)
    photo.paste(scaled(astronaut, 40 / 107), place)
    (face,) = align_faces(photo, SIZE)
    assert face.report.face_px == pytest.approx(40, abs=3)
    assert any("only 40 pixels" in warning or "pixels tall" in warning for warning in face.report.warnings)


def test_face_at_the_edge(astronaut) -> None:
    (face,) = align_faces(astronaut.crop((150, 60, 400, 300)), SIZE)
    assert 0.2 < face.report.outside_fraction < 0.4
    assert any("outside the photo" in warning for warning in face.report.warnings)
    whole = align_faces(astronaut, SIZE)[0]
    inner = (80, 110, 200, 200)  # eyes to mouth: well inside the cut photo
    assert difference(face.picture.crop(inner), whole.picture.crop(inner)) < 4


def test_blurred_face_is_said_to_be(astronaut) -> None:
    sharp = align_faces(astronaut, SIZE)[0].report
    report = align_faces(astronaut.filter(ImageFilter.GaussianBlur(3)), SIZE)[0].report
    assert report.sharpness < sharp.sharpness / 20
    assert report.warnings == ("This face is blurred, so fine detail cannot be rebuilt; a sharper photo works better.",)


def test_sharpness_does_not_depend_on_contrast(astronaut) -> None:
    sharp = align_faces(astronaut, SIZE)[0].report
    dull = align_faces(astronaut.point(lambda value: 90 + value // 4), SIZE)[0].report
    assert dull.sharpness == pytest.approx(sharp.sharpness, rel=0.2)


# The report, on turned landmarks


def turned(points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Turn a face about its middle: yaw to the right of the picture, pitch downwards, in degrees."""
    y, p = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    middle = points.mean(axis=0)
    return (points - middle) @ (about_x @ about_y).T + middle


@pytest.mark.parametrize("yaw", [-60, -20, 35, 75])
def test_yaw(mesh, yaw: int) -> None:
    before = head_pose(mesh.points)[0]
    assert head_pose(turned(mesh.points, yaw, 0))[0] - before == pytest.approx(yaw, abs=3)


@pytest.mark.parametrize("pitch", [-30, 15, 40])
def test_pitch(mesh, pitch: int) -> None:
    before = head_pose(mesh.points)[1]
    assert head_pose(turned(mesh.points, 0, pitch))[1] - before == pytest.approx(pitch, abs=3)


@pytest.mark.parametrize(("yaw", "pitch", "words"), [(60, 0, "profile"), (-60, 0, "profile"), (0, 45, "degrees down")])
def test_turned_heads_are_warned_about(astronaut, mesh, yaw: int, pitch: int, words: str) -> None:
    report = make_report(astronaut, turned(mesh.points, yaw, pitch), 107, 0.0, mesh.box)
    (warning,) = report.warnings
    assert words in warning


def test_looking_to_the_side_flips_with_the_picture(astronaut) -> None:
    narrow = astronaut.resize((512, 512)).transform(
        (512, 512), Image.Transform.AFFINE, (1, 0, 0, 0, 1, 0), Image.Resampling.BILINEAR
    )
    one = find_faces(narrow)[0]
    other = find_faces(narrow.transpose(Image.Transpose.FLIP_LEFT_RIGHT))[0]
    assert head_pose(one.points)[0] == pytest.approx(-head_pose(other.points)[0], abs=3)


# No face, and everyday use


@pytest.mark.parametrize("name", ["plain", "noise", "coffee", "coins"])
def test_no_face(name: str) -> None:
    photo = {
        "plain": lambda: canvas(700, 500),
        "noise": lambda: Image.fromarray(np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)),
        "coffee": lambda: Image.fromarray(data.coffee()),
        "coins": lambda: Image.fromarray(data.coins()).convert("RGB"),
    }[name]()
    with pytest.raises(NoFaceFound, match="No face was found"):
        align_faces(photo, SIZE)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (40, 40)])
def test_tiny_photos_have_no_face(size: tuple[int, int]) -> None:
    with pytest.raises(NoFaceFound):
        align_faces(canvas(*size), SIZE)


def test_threads_share_the_networks(astronaut) -> None:
    expected = align_faces(astronaut, SIZE)[0].picture.tobytes()
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(align_faces(astronaut, SIZE)[0].picture.tobytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_a_fresh_process_prints_nothing_and_keeps_our_own_errors() -> None:
    """MediaPipe's C++ parts talk on stderr; what others write there meanwhile must still arrive."""
    code = (
        "import os, sys, numpy as np\n"
        "from PIL import Image\n"
        "from skimage import data\n"
        "import hyperstyle.alignment.landmarks as landmarks\n"
        "assert 'mediapipe' not in sys.modules\n"
        "assert len(landmarks.find_faces(Image.fromarray(data.astronaut()))) == 1\n"
        "with landmarks._without_noise():\n"
        "    os.write(2, b'W0000 00:00:1.2 3 inference_feedback_manager.cc:114] noise\\n')\n"
        "    print('a real error', file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "a real error\n"
    assert done.stdout == ""


def test_a_forked_worker_says_why_it_cannot_search() -> None:
    """MediaPipe aborts the process when it is started again after a fork; a sentence is better."""
    code = (
        "import os\n"
        "from PIL import Image\n"
        "from hyperstyle.alignment import find_faces\n"
        "photo = Image.new('RGB', (64, 64))\n"
        "assert find_faces(photo) == []\n"
        "if os.fork() == 0:\n"
        "    find_faces(photo)\n"
        "os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "RuntimeError: MediaPipe was used before this process was forked" in done.stderr


def test_a_fork_before_the_first_search_works() -> None:
    code = (
        "import os\n"
        "from PIL import Image\n"
        "from hyperstyle.alignment import find_faces\n"
        "child = os.fork()\n"
        "found = find_faces(Image.new('RGB', (64, 64)))\n"
        "if child == 0:\n"
        "    os._exit(7 if found == [] else 1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Photos as people have them: turned without a word, and faces that fill them


QUARTERS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    """Faces that were drawn, 320 px, some of which the detector also takes for faces when they are upside down."""
    pictures = render(sample_parameters(8, seed=3), 320)
    return [to_photo(picture) for picture in pictures]


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    group = canvas(sum(picture.width for picture in pictures) + 80, pictures[0].height + 80)
    for i, picture in enumerate(pictures):
        group.paste(picture, (40 + i * picture.width, 40))
    return group


@pytest.mark.parametrize("quarter", QUARTERS)
def test_turned_photos_give_upright_crops(astronaut, drawn, quarter: int) -> None:
    for photo in (astronaut, *drawn):
        (upright,) = align_faces(photo, 64)
        (face,) = align_faces(photo.transpose(QUARTERS[quarter]), 64)
        assert difference(face.picture, upright.picture) < 14


@pytest.mark.parametrize("quarter", QUARTERS)
def test_every_face_of_a_turned_group_is_found_once(astronaut, drawn, quarter: int) -> None:
    group = side_by_side([*drawn[:3], astronaut.crop((60, 0, 380, 320))])
    upright = {round(face.quad[0, 0]): face.picture for face in align_faces(group, 64)}
    assert len(upright) == 4
    found = align_faces(group.transpose(QUARTERS[quarter]), 64)
    assert len(found) == 4
    for face in found:
        assert min(difference(face.picture, other) for other in upright.values()) < 14


@pytest.mark.parametrize("share", [0.8, 1.0])
@pytest.mark.parametrize("quarter", [0, 2])
def test_faces_that_fill_the_photo_are_found(drawn, share: float, quarter: int) -> None:
    for photo in drawn:
        left, top, right, bottom = find_faces(photo)[0].box
        wide, high = share * (right - left) / 2, share * (bottom - top) / 2
        middle = ((left + right) / 2, (top + bottom) / 2)
        cut = photo.crop((*np.subtract(middle, (wide, high)), *np.add(middle, (wide, high))))
        (face,) = find_faces(cut if quarter == 0 else cut.transpose(QUARTERS[quarter]))
        assert face.size_px > 0.5 * min(cut.size)
        assert (face.points[152, 1] > face.points[10, 1]) == (quarter == 0)  # chin and forehead


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "grass", "coins", "page", "clock", "moon"])
def test_nothing_is_found_where_there_is_no_face(name: str) -> None:
    assert find_faces(Image.fromarray(getattr(data, name)()).convert("RGB")) == []
