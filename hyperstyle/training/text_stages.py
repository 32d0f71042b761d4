"""Stages `clip` and `relevance`, for whatever world the captions speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hyperstyle.editing.text_model import TextModel, load_text_model, save_text_model
from hyperstyle.errors import WeightsMissing
from hyperstyle.training.checkpoints import load_checkpoint, save_checkpoint
from hyperstyle.training.relevance import measure_relevance, try_prompts
from hyperstyle.training.run import Run
from hyperstyle.training.text_world import TextWorld


def train_text(run: Run, train: Callable[..., TextModel]) -> None:
    """Train the small CLIP and write it with its card.

    Args:
        run: The run.
        train: `clip.train_clip` or its like, with everything filled in but what a run decides.
    """
    c = run.sizes.clip_training
    limit = run.minutes or (None if run.steps else run.sizes.clip_minutes)
    c = replace(c, seed=run.seed, steps=run.steps or c.steps)
    path = run.folder / "stages" / "text" / "checkpoint.pt"

    def progress(done: int, total: int, shown: Mapping[str, float]) -> None:
        run.report(done / total, f"step {done} " + " ".join(f"{k} {v:.3f}" for k, v in shown.items()))

    model = train(
        config=c,
        on_progress=progress,
        state=load_checkpoint(path) if run.resume and path.exists() else None,
        on_state=lambda state: save_checkpoint(path, state),
        max_seconds=60 * limit if limit else None,
        device=run.device,
        domain=run.domain.name,
    )
    save_text_model(model, run.domain.path("text"))
    run.report(1.0, " ".join(f"{k} {v:.3f}" for k, v in model.facts.items() if isinstance(v, float)))
    run.card("text", {"seed": run.seed, "metrics": dict(model.facts)})


def measure_text(run: Run, world: TextWorld) -> None:
    """Measure what each style channel means to the text model, and try the world's prompts."""
    c = replace(run.sizes.relevance_training, seed=run.seed)
    path = run.domain.path("text")
    if not path.exists():
        raise WeightsMissing(f"{path.name} is not there yet; run `train clip` into the same folder first.")
    model = load_text_model(path, run.device)
    generator = run.load("generator")
    attributes = run.load("attributes")

    def progress(done: int, total: int, what: str) -> None:
        run.report(done / total, what)

    model = measure_relevance(generator, model, c, progress, world=world)
    save_text_model(model, path)
    size = run.sizes.attributes.input_size
    model = try_prompts(generator, model, attributes, c, input_size=size, world=world, on_progress=progress)
    save_text_model(model, path)
    run.report(1.0, f"{len(model.suggestions)} prompts work")
