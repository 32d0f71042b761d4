"""`train STAGE` for a domain of photographs: the same stages, the same loop and cards, other tasks.

    data -> attributes -> identity -> generator (+ mapping network) -> encoder -> hypernetwork -> clip, directions
    -> relevance

The generator needs no earlier network; the encoder needs the generator, what follows needs all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from hyperstyle.domains import DOMAIN_FILE
from hyperstyle.errors import UsageError
from hyperstyle.files.whole import write_text
from hyperstyle.models.resizing import pool_to
from hyperstyle.models.stylegan2 import Generator
from hyperstyle.models.w_encoder import WEncoder
from hyperstyle.training.checkpoints import load_checkpoint, save_checkpoint
from hyperstyle.training.face_networks import FaceNetworks, read_face_networks
from hyperstyle.training.loop import fit
from hyperstyle.training.photo_captions import PhotoWorld, train_photo_clip
from hyperstyle.training.photo_config import PhotoTraining, on_gpu
from hyperstyle.training.photo_directions import fit_photo_directions
from hyperstyle.training.photo_generator import Autoencoder, PhotoGeneratorTask, PretrainedEncoder
from hyperstyle.training.photo_inversion import PhotoEncoderTask, PhotoHypernetworkTask, PhotoLoss, draw
from hyperstyle.training.photo_mapping import fit_mapping
from hyperstyle.training.photo_perception import LEVELS, PhotoAttributesTask, PhotoIdentityTask
from hyperstyle.training.photographs import TABLE, Photographs, join_labels, prepare, read_table
from hyperstyle.training.pretrained import PhotographFeatures
from hyperstyle.training.run import Run, start_from, write_sheet
from hyperstyle.training.text_stages import measure_text, train_text
from hyperstyle.training.widening import widen
from hyperstyle.weights.files import load_weights

TEACHER = "encoder.pt"
"""Inside the generator's stage: the encoder that was trained with it. For training only; it is never shipped."""
W_BATCH = 64
CENTRE_PEOPLE = 512
"""Whose mean is what all faces have in common."""
START_SPREAD = 0.6


def settings(run: Run) -> PhotoTraining:
    """The domain's settings of training on photographs."""
    assert run.sizes.photographs is not None
    return on_gpu(run.sizes.photographs) if run.device.type == "cuda" else run.sizes.photographs


def stage_data(run: Run) -> None:
    """Align photographs and measure what is known of them; once prepared they stay."""
    folder = run.folder / "data"
    if run.source is None:
        if (folder / TABLE).exists():
            return
        raise UsageError("Which photographs? Give --photos FOLDER and --table CSV (columns file and person).")
    rows = read_table(run.source.table, ("file", "person"))
    if run.source.labels is not None:
        rows = join_labels(rows, read_table(run.source.labels))
    if not run.source.photos.is_dir():
        raise UsageError(f"There is no folder {run.source.photos}; name the one that holds the photographs.")
    prepare(settings(run).data, run.source.photos, rows, folder, run.report)
    run.photographs()  # says at once if nobody is left to train on, or to measure


def stage_attributes(run: Run) -> None:
    """Train the network that reads traits."""
    c = settings(run)
    network = run.build("attributes").to(run.device)
    task = PhotoAttributesTask(network, _features(run, head=True), c.attributes, *run.photographs())
    run.train(task, run.loop(c.attributes_loop), "attributes")


def stage_identity(run: Run) -> None:
    """Train the network that tells people apart, starting from the attribute network's trunk where there is one."""
    c = settings(run)
    network = run.build("identity").to(run.device)
    start_from(run, "attributes", network)
    train, held_out = run.photographs()
    faces = _faces(run, train)
    redraw = None if faces is None or not run.domain.path("w_encoder").exists() else _redraw(run)
    task = PhotoIdentityTask(network, _features(run, head=True), c.identity, train, held_out, faces, redraw)
    run.train(task, run.loop(c.identity_loop), "identity")
    card = json.loads(run.domain.path("identity").with_suffix(".card.json").read_text())
    _note_levels(run, card["metrics"])


def stage_generator(run: Run) -> None:
    """Train the generator together with an encoder, then fit its mapping network to their latents.

    From nothing, the pretrained network learns to be that encoder, and the synthesis begins as the drawn portraits'
    one, widened. A generator that is trained further (shipped weights copied into the run folder, say) goes on with the
    W encoder that belongs to it, and both are written.
    """
    c = settings(run)
    train, held_out = run.photographs()
    generator = run.build("generator").to(run.device)
    further = _trained_before(run)
    encoder: WEncoder | PretrainedEncoder
    if further:
        tensors, _ = load_weights(run.domain.path("generator"))
        generator.load_state_dict(tensors)
        encoder = run.load("w_encoder").requires_grad_(True).train()
    else:
        _begin_as_portraits(run, generator)
        encoder = PretrainedEncoder(generator.config.w_dim).to(run.device)
        _begin_spread(encoder, train, run)
    generator.style.requires_grad_(False)
    config = c.generator
    if further:
        # Small pictures are where a generator begins.
        later = tuple(phase for phase in config.phases if phase[0] >= 128) or config.phases[-1:]
        config = replace(config, phases=later)
    task = PhotoGeneratorTask(
        Autoencoder(generator, encoder), _features(run), config, train, held_out, _faces(run, train)
    )
    stage, loop = run.folder / "stages" / "generator", run.loop(c.generator_loop)
    average, facts = fit(task, loop, stage, run.device, run.report, run.resume, show=write_sheet)
    w = latents(average, train, task.input_size)
    facts |= fit_mapping(average.generator, w, c.mapping_steps, loop.seed, run.report)
    # The mean latent is the origin of encoders from now on.
    bias = cast(Tensor, cast(nn.Module, average.encoder.linear).bias)
    bias.data -= average.generator.w_avg - generator.w_avg
    if isinstance(average.encoder, PretrainedEncoder):
        save_checkpoint(stage / TEACHER, {"encoder": average.encoder.state_dict()})
    facts |= {"seed": loop.seed, "batch": c.generator.batch}
    run.write("generator", average.generator.state_dict(), facts)
    if isinstance(average.encoder, WEncoder):
        run.write("w_encoder", average.encoder.state_dict(), facts)


def stage_encoder(run: Run) -> None:
    """Train the W encoder, starting from earlier weights of it or from the attribute network's trunk."""
    c = settings(run)
    generator = run.load("generator")
    encoder = run.build("w_encoder").to(run.device)
    if not run.start("w_encoder", encoder).from_weights:
        start_from(run, "attributes", encoder)
    train, held_out = run.photographs()
    task = PhotoEncoderTask(
        encoder, generator, _teacher(run), _loss(run, train), c.encoder, run.sizes.input_size, train, held_out
    )
    run.train(task, run.loop(c.encoder_loop), "w_encoder")


def stage_hypernetwork(run: Run) -> None:
    """Train the hypernetwork; one that is trained further gets the last phase only, at half the rate."""
    c = settings(run)
    network = run.build("hypernetwork").to(run.device)
    config, loop = c.hypernetwork, run.loop(c.hypernetwork_loop)
    if run.start("hypernetwork", network).from_weights:
        later = tuple(phase for phase in config.phases if phase[1] == config.passes) or config.phases[-1:]
        config = replace(config, phases=later)
        loop = replace(loop, learning_rate=loop.learning_rate / 2)
    train, held_out = run.photographs()
    task = PhotoHypernetworkTask(
        network,
        run.load("generator"),
        run.load("w_encoder"),
        run.load("attributes"),
        _loss(run, train),
        config,
        train,
        held_out,
    )
    run.train(task, loop, "hypernetwork")


def stage_clip(run: Run) -> None:
    """Train the small CLIP on photographs, as they are and redrawn, with captions made of their labels."""
    generator = run.load("generator")
    train_text(run, partial(train_photo_clip, _world(run), generator=generator))


def stage_directions(run: Run) -> None:
    """Fit the InterFaceGAN directions, measure them on people who were kept back, and leave out what does not work."""
    train, held_out = run.photographs()
    rows = fit_photo_directions(
        run.load("generator"),
        run.load("w_encoder"),
        run.load("attributes"),
        train,
        held_out,
        run.domain.directions,
        replace(settings(run).directions, seed=run.seed),
        domain=run.domain.name,
        input_size=run.sizes.attributes.input_size,
        encoder_size=run.sizes.input_size,
        identity=run.load("identity"),
        on_progress=lambda done, total, what: run.report(done / total, what),
    )
    run.report(1.0, f"{len(rows)} directions in {run.domain.directions}")


def stage_relevance(run: Run) -> None:
    """Measure what each style channel means to the text model, and try prompts on people who were kept back."""
    measure_text(run, _world(run))


def _world(run: Run) -> PhotoWorld:
    return PhotoWorld(run.load("w_encoder"), *run.photographs(), run.sizes.input_size)


def _note_levels(run: Run, metrics: Mapping[str, float]) -> None:
    """Write into `domain.json` what the page's words for likeness go by."""
    levels = [metrics[name] for name in LEVELS if name in metrics]
    path = run.folder / DOMAIN_FILE
    record = json.loads(path.read_text()) | {"likeness_levels": levels if len(levels) == len(LEVELS) else []}
    write_text(path, json.dumps(record, indent=1) + "\n")


@torch.no_grad()
def latents(autoencoder: Autoencoder, photographs: Photographs, input_size: int) -> Tensor:
    """Latents (2N, w_dim) of photographs and of their mirror images."""
    found = []
    for rows in torch.arange(len(photographs)).split(W_BATCH):
        x = photographs.batch(rows, size=input_size).to(autoencoder.generator.w_avg.device)
        found += [autoencoder.encode(x), autoencoder.encode(x.flip(-1))]
    return torch.cat(found)


def _features(run: Run, head: bool = False) -> PhotographFeatures:
    return PhotographFeatures(head=head).to(run.device).requires_grad_(False)


def _loss(run: Run, train: Photographs) -> PhotoLoss:
    return PhotoLoss(_features(run), run.load("identity"), settings(run).losses, _faces(run, train))


def _faces(run: Run, train: Photographs) -> FaceNetworks | None:
    """Public face networks, where the command names their folder."""
    if run.faces is None:
        return None
    networks = read_face_networks(run.faces).to(run.device)
    rows = torch.arange(min(CENTRE_PEOPLE, len(train))) * max(1, len(train) // CENTRE_PEOPLE)
    networks.centre(train.batch(rows).to(run.device))
    return networks


def _redraw(run: Run) -> Callable[[Tensor], Tensor]:
    """Draws pictures again with the encoder and the generator that are there."""
    encoder, generator, size = run.load("w_encoder"), run.load("generator"), run.sizes.input_size
    return lambda x: draw(generator, encoder(pool_to(x, size)) + generator.w_avg, None)


def _trained_before(run: Run) -> bool:
    """Whether the run folder holds weights that this stage did not begin from nothing."""
    checkpoint = run.folder / "stages" / "generator" / "checkpoint.pt"
    if run.resume and checkpoint.exists():
        module: Mapping[str, object] = load_checkpoint(checkpoint)["module"]  # type: ignore[assignment]
        return "encoder.trunk.input_layer.0.weight" in module
    return run.resume and all(run.domain.path(part).exists() for part in ("generator", "w_encoder"))


def _begin_as_portraits(run: Run, generator: Generator) -> None:
    """Take over the drawn portraits' synthesis where its sizes fit: layout and light are the same in photographs."""
    from hyperstyle.domains import get_domain

    portraits = get_domain("portraits")
    if generator.config.resolution == portraits.resolution and generator.config.w_dim >= portraits.generator["w_dim"]:
        widen(generator, load_weights(portraits.path("generator"))[0])


@torch.no_grad()
def _begin_spread(encoder: PretrainedEncoder, train: Photographs, run: Run) -> None:
    """Let the untrained encoder's latents lie around the mean latent, about as far apart as drawn portraits' do."""
    x = train.batch(torch.arange(min(64, len(train))), size=run.sizes.input_size).to(run.device)
    encoder.linear.bias.zero_()
    encoder.linear.weight.mul_(START_SPREAD / float(encoder(x).std(0).mean()))
    encoder.linear.bias.sub_(encoder(x).mean(0))


def _teacher(run: Run) -> PretrainedEncoder | None:
    path = run.folder / "stages" / "generator" / TEACHER
    if not path.exists():
        return None
    teacher = PretrainedEncoder(run.sizes.generator.w_dim)
    teacher.load_state_dict(load_checkpoint(path)["encoder"])  # type: ignore[arg-type]
    return teacher.to(run.device).eval().requires_grad_(False)


STAGES: Mapping[str, Callable[[Run], None]] = {
    "data": stage_data,
    "attributes": stage_attributes,
    "identity": stage_identity,
    "generator": stage_generator,
    "encoder": stage_encoder,
    "hypernetwork": stage_hypernetwork,
    "clip": stage_clip,
    "directions": stage_directions,
    "relevance": stage_relevance,
}
