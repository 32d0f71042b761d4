"""Pictures one after the other into a file: MP4, GIF or WebP. A file is either complete or not there at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from hyperstyle.errors import CannotWrite, UsageError
from hyperstyle.files.whole import check_writable, whole

Ask = Callable[[], object]
"""Called between two pieces of work; whatever it raises stops the writing."""

MAX_FPS = 60
MAX_HELD_BYTES = 1_500_000_000  # GIF and WebP are written from memory, once all pictures are there

_GIF_MAX_FPS = 50  # delays are counted in hundredths of a second, and players do not believe in 1
_CRF = 18  # x264's constant quality: no visible loss
_WEBP_QUALITY = 85


def check_movie(path: str | Path, fps: int, frames: int, size: tuple[int, int]) -> None:
    """Refuse what cannot be written, before any picture is drawn.

    Args:
        path: Where to; the suffix chooses the format.
        fps: Pictures per second.
        frames: How many there will be.
        size: Width and height in pixels.

    Raises:
        UsageError: The suffix names no format, the format cannot be that fast, or the movie is too large for it.
        CannotWrite: There is no such folder, or it cannot be written to.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        named = f"as '{path.suffix}'" if path.suffix else "without a suffix"
        raise UsageError(f"Animations cannot be saved {named}; end the file name in .mp4, .gif or .webp.")
    fastest = _GIF_MAX_FPS if suffix == ".gif" else MAX_FPS
    if not 1 <= fps <= fastest:
        raise UsageError(f"A {suffix} file shows 1 to {fastest} pictures per second, not {fps}.")
    if suffix != ".mp4" and frames * size[0] * size[1] * 3 > MAX_HELD_BYTES:
        raise UsageError(
            f"{frames} pictures of {size[0]} x {size[1]} pixels are too many for a {suffix} file; "
            "make it shorter or smaller, or write an .mp4 file."
        )
    check_writable(path)


def save_movie(
    frames: Iterable[Image.Image],
    path: str | Path,
    fps: int,
    palette: Image.Image | None = None,
    comment: str = "",
    xmp: str = "",
    ask: Ask = lambda: None,
) -> tuple[int, int]:
    """Write pictures as a movie that repeats (but for MP4, where the player decides).

    Whatever stops the writing, an error in `frames` included, leaves nothing behind and an existing file as it was.

    Args:
        frames: RGB pictures of one size, taken one by one. MP4 has even sizes only: an odd last row or column is left
            out.
        path: Where to; the suffix chooses the format (.mp4, .gif, .webp). An existing file is replaced.
        fps: Pictures per second.
        palette: For GIF: a picture with the colours of all frames; without it, each frame gets its own 256 colours,
            which flicker.
        comment: A sentence for the metadata of MP4 and GIF; empty for none.
        xmp: An XMP packet for WebP, which has no comments; empty for none.
        ask: See `Ask`. Much is encoded only once all pictures are drawn: all of a WebP, the end of an MP4.

    Returns:
        Number of pictures and size of the file in bytes.

    Raises:
        UsageError: There is no picture, or what `check_movie` refuses.
        CannotWrite: Disk full, no permission, no such folder; or, for MP4, PyAV is not installed.
    """
    path = Path(path)
    counted = _Counted(frames)
    first = next(counted, None)
    if first is None:
        raise UsageError("An animation needs at least one picture.")
    check_movie(path, fps, 1, first.size)
    with whole(path) as part:
        _WRITERS[path.suffix.lower()](chain([first], counted), part, fps, palette, _Notes(comment, xmp), ask)
        size = part.stat().st_size
        ask()
    return counted.number, size


class _Notes(NamedTuple):
    """What the metadata say; each format takes what it can hold."""

    comment: str
    xmp: str


class _Counted(Iterator[Image.Image]):
    """Pictures as they come, with their number."""

    def __init__(self, frames: Iterable[Image.Image]) -> None:
        self._frames = iter(frames)
        self.number = 0

    def __next__(self) -> Image.Image:
        frame = next(self._frames)
        self.number += 1
        return frame


def _write_mp4(
    frames: Iterator[Image.Image], part: Path, fps: int, palette: Image.Image | None, notes: _Notes, ask: Ask
) -> None:
    """H.264 that every player and browser opens, with its index at the start so that it plays while it loads."""
    try:
        import av
    except ModuleNotFoundError:
        raise CannotWrite("MP4 files need the package 'av'; install it, or write a .gif or .webp file.") from None
    from av.video.reformatter import ColorRange, Colorspace

    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        if notes.comment:
            container.metadata["comment"] = notes.comment
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": str(_CRF), "preset": "medium"})
        stream.pix_fmt = "yuv420p"
        # Said in the file and used below: without, players guess, and small movies come out in other colours.
        stream.codec_context.colorspace = stream.codec_context.color_primaries = 1  # BT.709
        stream.codec_context.color_trc = stream.codec_context.color_range = 1  # BT.709, limited range
        for index, picture in enumerate(frames):
            width, height = (side - side % 2 for side in picture.size)
            if index == 0:
                stream.width, stream.height = width, height
            even = picture if picture.size == (width, height) else picture.crop((0, 0, width, height))
            frame = av.VideoFrame.from_image(even.convert("RGB")).reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        # The encoder looks tens of pictures ahead, so as many are still in it.
        for packet in stream.codec_context.encode_lazy(None):
            ask()
            packet.stream = stream
            container.mux(packet)


def _write_gif(
    frames: Iterator[Image.Image], part: Path, fps: int, palette: Image.Image | None, notes: _Notes, ask: Ask
) -> None:
    colours = None if palette is None else palette.convert("RGB").quantize(256)

    def reduced() -> Iterator[Image.Image]:
        for frame in frames:
            yield frame.convert("RGB").quantize(256, palette=colours)

    noted = {"comment": notes.comment.encode()} if notes.comment else {}
    _write_pillow(reduced(), part, fps, "GIF", 10, {"optimize": False, "disposal": 1, **noted}, ask)


def _write_webp(
    frames: Iterator[Image.Image], part: Path, fps: int, palette: Image.Image | None, notes: _Notes, ask: Ask
) -> None:
    options: dict[str, Any] = {"quality": _WEBP_QUALITY, "method": 2}
    if notes.xmp:
        options["xmp"] = notes.xmp.encode()
    _write_pillow((frame.convert("RGB") for frame in frames), part, fps, "WEBP", 1, options, ask)


def _write_pillow(
    frames: Iterator[Image.Image], part: Path, fps: int, name: str, unit_ms: int, options: Mapping[str, Any], ask: Ask
) -> None:
    first, *rest = (_asking(frame, ask) for frame in frames)
    # Each delay is rounded to what the format can say, their sum stays true.
    ends = [round(1000 * index / fps / unit_ms) * unit_ms for index in range(len(rest) + 2)]
    delays = [end - start for start, end in pairwise(ends)]
    with part.open("wb") as file:
        first.save(file, format=name, save_all=True, append_images=rest, duration=delays, loop=0, **options)


def _asking(picture: Image.Image, ask: Ask) -> Image.Image:
    """A picture that asks when its turn to be encoded has come: Pillow then goes to the first of its one frames."""

    def seek(frame: int) -> None:
        ask()
        Image.Image.seek(picture, frame)

    picture.seek = seek  # type: ignore[method-assign]  # Pillow lets nobody in between two pictures in any other way
    return picture


_WRITERS: Mapping[str, Callable[[Iterator[Image.Image], Path, int, Image.Image | None, _Notes, Ask], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".webp": _write_webp,
}
MOVIE_SUFFIXES = tuple(_WRITERS)
