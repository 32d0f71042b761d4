"""`train relevance` for domains whose weights were downloaded: what each style channel means to a published CLIP.

StyleCLIP's authors published this for one generator only (`fs3.npy`); for any other it has to be measured.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hyperstyle.device import resolve_device
from hyperstyle.domains import Domain
from hyperstyle.editing.pretrained_text import load_pretrained_text, save_pretrained_text
from hyperstyle.errors import UsageError, WeightsMissing
from hyperstyle.published import prepare
from hyperstyle.training.directions import map_all
from hyperstyle.training.relevance import Progress, RelevanceConfig, measure_relevance
from hyperstyle.weights.load import loader

# CLIP looks at 224 px, so finer layers could not be told apart by it. StyleCLIP samples latents truncated like this.
CONFIG = RelevanceConfig(max_resolution=256, picture_px=256, truncation_psi=0.7)


def measure_published(
    domain: Domain,
    weights: str | Path | None = None,
    device: str = "auto",
    config: RelevanceConfig = CONFIG,
    resume: bool = True,
    on_progress: Progress | None = None,
) -> Path:
    """Measure and write into the domain's text file; may be interrupted after any layer and called again.

    Args:
        domain: A published domain.
        weights: Folder with its files; default as in `published.prepare`.
        device: auto, cpu, cuda or mps.
        config: Settings; layers above the generator's resolution are of course left out.
        resume: Go on from what an interrupted call measured.
        on_progress: Told after every batch.

    Returns:
        The file, now with relevance.

    Raises:
        UsageError: The domain has no text model in its row.
        WeightsMissing: The generator or the text model is not there (also what `published.prepare` raises).
    """
    domain = prepare(domain, weights)
    if not domain.text:
        raise UsageError(f"The domain '{domain.name}' has no text model, so there is nothing to measure.")
    path = domain.path("text")
    if not path.exists() or not domain.path("generator").exists():
        raise WeightsMissing(
            f"Measuring needs the generator and the text model of '{domain.name}'; "
            f"run `python -m hyperstyle download {domain.name} --text` first."
        )
    place = resolve_device(device)
    generator = loader(domain, place)("generator")
    model = load_pretrained_text(path, place)
    config = replace(config, picture_px=min(config.picture_px or domain.resolution, domain.resolution))
    z = torch.randn(config.n_statistics, generator.config.z_dim, generator=torch.Generator().manual_seed(config.seed))
    w = map_all(generator, z, config.truncation_psi)
    checkpoint = path.with_name("relevance.checkpoint.pt")
    if not resume:
        checkpoint.unlink(missing_ok=True)
    measured = measure_relevance(generator, model, config, on_progress, w=w, checkpoint=checkpoint)
    save_pretrained_text(
        path,
        measured.name,
        {name: tensor.cpu() for name, tensor in measured.clip.state_dict().items()},
        measured.templates,
        measured.domain or domain.name,
        None if measured.relevance is None else measured.relevance.cpu(),
        None if measured.style_std is None else measured.style_std.cpu(),
        measured.relevance_layers,
        measured.known_prompts(),
        {**measured.facts, "relevance": f"measured with seed {config.seed}"},
    )
    checkpoint.unlink(missing_ok=True)
    return path
