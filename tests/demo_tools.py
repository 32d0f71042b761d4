"""What the page's two test files share: photos, a domain that understands words, and a running page."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from test_text_model import make_model

from hyperstyle.demo import create_demo, launch
from hyperstyle.domains import get_domain
from hyperstyle.editing.text_model import Suggestion, save_text_model
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.training.relevance import relevance_layers


@pytest.fixture(scope="module", autouse=True)
def close_event_loops() -> Iterator[None]:
    """Close the event loops that Gradio makes for every page it builds and never closes, or pytest reports each."""
    loops = []
    make = asyncio.new_event_loop

    def make_and_remember() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", make_and_remember)
        yield
    asyncio.set_event_loop(None)
    for loop in loops:
        if not loop.is_running():
            loop.close()


def astronaut() -> Image.Image:
    """A photograph of one person, 512 px."""
    return Image.fromarray(data.astronaut())


def two_people() -> Image.Image:
    """A photograph with a large face on the left and a smaller one on the right."""
    large = astronaut()
    small = large.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 300))
    photo = Image.new("RGB", (860, 512), (120, 130, 140))
    photo.paste(large, (0, 0))
    photo.paste(small, (540, 100))
    return photo


def noise_photo(size: int = 200) -> Image.Image:
    """A picture without a face."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))


def add_words(tiny_folder: Path, folder: Path) -> Path:
    """Copy a tiny domain and give it a text model with random weights but the real vocabulary."""
    shutil.copytree(tiny_folder, folder)
    generator = load(folder, "cpu").models.generator
    layers = tuple((layer.name, layer.in_channels) for layer in relevance_layers(generator))
    channels = sum(width for _, width in layers)
    g = torch.Generator().manual_seed(0)
    model = make_model()
    rows = torch.nn.functional.normalize(torch.randn(channels, model.config.embed_dim, generator=g), dim=1)
    measured = replace(
        model,
        relevance=rows,
        style_std=torch.ones(channels),
        relevance_layers=layers,
        suggestions=(
            Suggestion("a face with a beard", -2.0, 4.0, disentanglement=0.0),
            Suggestion("a smiling face", -2.0, 3.0, disentanglement=0.0),
        ),
    )
    save_text_model(measured, get_domain(folder).path("text"))
    return folder


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(
    pipeline: HyperStyle, examples: Path | None = None, mcp: bool = False, **options: object
) -> Iterator[tuple[str, object]]:
    """Serve the page for the duration of a block; gives its address and the `gr.Blocks`."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", folder)
        demo = create_demo(pipeline, examples=examples, hosted=False)
        try:
            yield launch(demo, port=free_port(), mcp=mcp, prevent_thread_lock=True, quiet=True, **options), demo
        finally:
            demo.close(verbose=False)
