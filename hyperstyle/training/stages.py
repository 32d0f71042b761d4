"""`train STAGE`: reads what earlier stages made, trains one network, writes its weights and card.

A run folder is a domain folder: `domain.json` and one weights file per part. Stages build on each other in the order
of `STAGES`; each may be interrupted and called again.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hyperstyle.device import resolve_device, set_threads
from hyperstyle.domains import DEFAULT_DOMAIN, DOMAIN_FILE, STYLES_FOLDER, Domain, get_domain
from hyperstyle.errors import UnknownDomain, UsageError, did_you_mean
from hyperstyle.files.whole import make_folder, write_text
from hyperstyle.models.config import plain_config
from hyperstyle.models.hypernetwork import Hypernetwork
from hyperstyle.synthetic.styles import STYLES
from hyperstyle.training import stage_names
from hyperstyle.training.adapted import Adapted
from hyperstyle.training.clip import train_clip
from hyperstyle.training.config import (
    PHOTOS,
    PHOTOS_SMOKE,
    PORTRAITS,
    PORTRAITS_128,
    SMOKE,
    DomainSizes,
    HypernetworkTraining,
)
from hyperstyle.training.generator import GeneratorTask, set_average
from hyperstyle.training.growing import train_only
from hyperstyle.training.inversion import EncoderTask, HypernetworkTask
from hyperstyle.training.loop import Report
from hyperstyle.training.perception import AttributesTask, IdentityTask
from hyperstyle.training.photo_stages import STAGES as PHOTO_STAGES
from hyperstyle.training.run import PhotographSource, Run, draw_pictures, start_from
from hyperstyle.training.style_encoders import StyleEncoderTask
from hyperstyle.training.styles import StyleTask
from hyperstyle.training.text_stages import measure_text, train_text
from hyperstyle.training.text_world import DRAWN
from hyperstyle.traits import plain_traits
from hyperstyle.weights import load as build

log = logging.getLogger(__name__)

JUDGE_SEED = 77  # other batches in another order than the first identity network's
SIZES: Mapping[str, DomainSizes] = {"portraits": PORTRAITS, "portraits-128": PORTRAITS_128, "photos": PHOTOS}


def stage_attributes(run: Run) -> None:
    """Train the attribute network."""
    c = run.sizes.attributes_training
    c = replace(c, loop=run.loop(c.loop))
    network = run.build("attributes").to(run.device)
    task = AttributesTask(network, c, run.pictures("in_domain"), run.pictures("beyond"), run.held_out("in_domain"))
    run.train(task, c.loop, "attributes")


def stage_identity(run: Run) -> None:
    """Train the identity network, starting from the attribute network's trunk where there is one."""
    c = run.sizes.identity_training
    c = replace(c, loop=run.loop(c.loop))
    network = run.build("identity").to(run.device)
    start_from(run, "attributes", network)
    task = IdentityTask(network, c, run.pictures("in_domain"), run.pictures("beyond"), run.held_out("beyond"))
    run.train(task, c.loop, "identity")


def stage_judge(run: Run) -> None:
    """Train the comparison's identity network, from nothing: it shares no weights with any other network."""
    c = run.sizes.judge_training
    c = replace(c, loop=run.loop(replace(c.loop, seed=c.loop.seed + JUDGE_SEED)))
    network = run.build("judge").to(run.device)
    task = IdentityTask(network, c, run.pictures("in_domain"), run.pictures("beyond"), run.held_out("beyond"))
    run.train(task, c.loop, "judge")


def stage_generator(run: Run) -> None:
    """Train the generator; one that is trained further keeps its mapping network, so that encoders stay valid.

    Of one that has grown only the new block learns. Once there is a hypernetwork, styles stay as they are too, and with
    them every direction and edit by text: convolutions are fitted to what the hypernetwork makes of them.
    """
    c = run.sizes.generator_training
    c = replace(c, loop=run.loop(c.loop))
    generator = run.build("generator").to(run.device)
    start = run.start("generator", generator)
    adapted = _adapted(run) if start.from_weights else None
    if start.new:
        c = c.grown()
    elif adapted is not None:
        c = c.polished()
        train_only(generator, [name for name, _ in generator.named_parameters() if not _makes_styles(name)])
    elif start.from_weights:
        c = c.further()
    attributes = None
    if run.domain.path("attributes").exists():
        attributes = run.load("attributes")
    task = GeneratorTask(generator, attributes, c, run.pictures("in_domain"), run.held_out("in_domain"), adapted)
    # A mapping network that stays keeps the mean latent that encoders were trained with.
    run.train(task, c.loop, "generator", finish=None if start.from_weights else lambda g: set_average(g, c.loop.seed))


def _makes_styles(name: str) -> bool:
    """Whether a generator's weight is of the mapping network or of a layer's map from latents to styles."""
    return name.startswith("style.") or ".modulation." in name


def _adapted(run: Run) -> Adapted | None:
    """Inversions by the networks that were trained with the generator; None where they are not there."""
    if not all(run.domain.path(part).exists() for part in ("w_encoder", "hypernetwork", "identity")):
        return None
    return Adapted(
        run.load("w_encoder"),
        run.load("hypernetwork"),
        run.load("identity"),
        run.sizes.hypernetwork_training.passes,
        run.pictures("beyond"),
    )


def stage_style(run: Run) -> None:
    """Train a copy of the generator to draw in another style; it keeps the mapping network, and with it all latents."""
    c = run.sizes.style_training
    c = replace(c, loop=run.loop(c.loop))
    generator = run.load("generator")
    attributes = None
    if run.domain.path("attributes").exists():
        attributes = run.load("attributes")
    task = StyleTask(generator, attributes, c, *run.stylised())
    run.train(task, c.loop, f"{STYLES_FOLDER}/{run.style}")


def stage_encoder(run: Run) -> None:
    """Train the W encoder, starting from the attribute network's trunk where there is one."""
    c = run.sizes.encoder_training
    c = replace(c, loop=run.loop(c.loop))
    generator = run.load("generator")
    encoder = run.build("w_encoder").to(run.device)
    start_from(run, "attributes", encoder)
    task = EncoderTask(
        encoder,
        generator,
        c,
        run.sizes.input_size,
        run.pictures("in_domain"),
        run.pictures("beyond"),
        run.held_out("in_domain"),
    )
    run.train(task, c.loop, "w_encoder")


def stage_hypernetwork(run: Run) -> None:
    """Train the hypernetwork; one that is trained further gets the last phase only, at a quarter of the rate."""
    c = run.sizes.hypernetwork_training
    c = replace(c, loop=run.loop(c.loop))
    network = run.build("hypernetwork").to(run.device)
    if run.start("hypernetwork", network).from_weights:
        c = replace(c, phases=c.phases[-1:], loop=replace(c.loop, learning_rate=c.loop.learning_rate / 4))
    _train_hypernetwork(run, network, c, "hypernetwork")


def _stage_ablation(name: str, run: Run) -> None:
    """Train one of the hypernetworks of the ablation, all alike and from nothing."""
    c = run.sizes.ablation_training
    _train_hypernetwork(run, build.build_ablation(run.domain, name), replace(c, loop=run.loop(c.loop)), name)


def _train_hypernetwork(run: Run, network: Hypernetwork, c: HypernetworkTraining, part: str) -> None:
    task = HypernetworkTask(
        network.to(run.device),
        run.load("generator"),
        run.load("w_encoder"),
        run.load("identity"),
        run.load("attributes"),
        c,
        run.pictures("in_domain"),
        run.pictures("beyond"),
        run.held_out("beyond"),
    )
    run.train(task, c.loop, part)


def _stage_baseline(name: str, run: Run) -> None:
    """Train one of the encoders into W+, starting from the W encoder's trunk."""
    c = run.sizes.baselines[name].training
    c = replace(c, loop=run.loop(c.loop))
    encoder = build.build_baseline(run.domain, name).to(run.device)
    start_from(run, "w_encoder", encoder)
    if run.start(name, encoder).new:
        # Pixels alone teach the new rows, and e4e's stay as close to its others as those do to each other.
        c = replace(
            c,
            phases=c.phases[-1:],
            latent=0.0,
            perceptual=0.0,
            identity=0.0,
            adversarial=0.0,
            unlock_from=0.0,
            unlock_until=0.0,
        )
    task = StyleEncoderTask(
        encoder,
        run.load("generator"),
        run.load("identity"),
        run.load("attributes"),
        c,
        run.pictures("in_domain"),
        run.pictures("beyond"),
        run.held_out("beyond"),
    )
    run.train(task, c.loop, name)


def stage_clip(run: Run) -> None:
    """Train the small CLIP on pictures and captions."""
    plain = run.pictures("in_domain")
    train_text(run, partial(train_clip, plain.pictures, plain.parameters))


def stage_directions(run: Run) -> None:
    """Fit the InterFaceGAN directions and measure what they do."""
    from hyperstyle.training.directions import fit_directions

    rows = fit_directions(
        run.load("generator"),
        run.load("attributes"),
        run.domain.directions,
        replace(run.sizes.directions_training, seed=run.seed),
        domain=run.domain.name,
        input_size=run.sizes.input_size,
        identity=run.load("identity"),
        on_progress=lambda done, total, what: run.report(done / total, what),
    )
    run.report(1.0, f"{len(rows)} directions in {run.domain.directions}")


def stage_relevance(run: Run) -> None:
    """Measure what each style channel means to the text model, and try prompts."""
    measure_text(run, DRAWN)


STAGES: Mapping[str, Callable[[Run], None]] = {
    stage_names.DATA: draw_pictures,
    stage_names.ATTRIBUTES: stage_attributes,
    stage_names.IDENTITY: stage_identity,
    stage_names.GENERATOR: stage_generator,
    stage_names.ENCODER: stage_encoder,
    stage_names.HYPERNETWORK: stage_hypernetwork,
    stage_names.CLIP: stage_clip,
    stage_names.DIRECTIONS: stage_directions,
    stage_names.RELEVANCE: stage_relevance,
    stage_names.JUDGE: stage_judge,
    **{name: partial(_stage_baseline, name) for name in stage_names.BASELINES},
    stage_names.STYLE: stage_style,
    **{name: partial(_stage_ablation, name) for name in stage_names.ABLATIONS},
}


def run_stage(
    stage: str,
    domain: str = DEFAULT_DOMAIN,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = True,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
    smoke: bool = False,
    weights: Path | None = None,
    name: str | None = None,
    source: PhotographSource | None = None,
    faces: Path | None = None,
) -> Path:
    """Train one stage.

    Args:
        stage: A key of `STAGES`.
        domain: Name of the domain whose sizes and renderer are used.
        steps, minutes: Length of the schedule; None takes the stage's own.
        resume: Go on from the last checkpoint.
        seed: Seed of every random choice.
        device: auto, cpu, cuda or mps.
        out: Run folder; default `runs/<domain>`.
        smoke: A few steps of a 32 px model.
        weights: For published domains: folder with their files.
        name: For the stage `style`: a key of `synthetic.styles.STYLES`.
        source: For the stage `data` of a domain of photographs: where they are.
        faces: For a domain of photographs: folder of public face networks, see `face_networks`.

    Returns:
        The run folder, which is a domain folder; for a published domain the folder with its converted weights.

    Raises:
        UnknownDomain: Nothing is known about training this domain.
        UsageError: Another stage than `relevance` of a published domain, or an option that stage has no use for; or the
            stage `style` without the name of one.
        WeightsMissing: An earlier stage has not been run.
    """
    check_style(stage, name)
    if domain not in SIZES and get_domain(domain).published:
        return _run_published(
            stage, get_domain(domain), weights, device, seed, resume, out or steps or minutes or smoke
        )
    if domain not in SIZES:
        raise UnknownDomain(f"Training knows the domain(s) {', '.join(SIZES)}, not '{domain}'; choose one of them.")
    if weights is not None:
        raise UsageError(f"The domain '{domain}' is trained in its run folder; leave --weights out.")
    sizes = SIZES[domain]
    table = STAGES if sizes.photographs is None else PHOTO_STAGES
    if stage not in table:
        raise UsageError(f"The domain '{domain}' has no stage '{stage}'; {did_you_mean(stage, table)}")
    if faces is not None and sizes.photographs is None:
        raise UsageError("--faces is for domains of photographs.")
    if source is not None and (stage != stage_names.DATA or sizes.photographs is None):
        raise UsageError("--photos, --table and --labels are for the stage 'data' of a domain of photographs.")
    if smoke:
        sizes = SMOKE if sizes.photographs is None else PHOTOS_SMOKE
    folder = out or Path("runs") / ("smoke" if smoke else domain)
    make_folder(folder)
    if not (folder / DOMAIN_FILE).exists():
        write_domain(folder, domain if not smoke else "smoke", sizes)
    set_threads()
    with _reporting(stage) as report:
        command = f"python -m hyperstyle train {stage}" + (f" --name {name}" if name else "") + f" --domain {domain}"
        command += f" --steps {steps}" if steps else ""
        command += f" --minutes {minutes:g}" if minutes else ""
        command += f" --seed {seed}" + (" --smoke" if smoke else "")
        command += " --faces FOLDER" if faces is not None else ""
        place = resolve_device(device)
        command += f" --device {place.type}" if place.type != "cpu" else ""
        table[stage](
            Run(sizes, folder, place, steps, minutes, seed, resume, report, command, name or "", source, faces)
        )
    return folder


def check_style(stage: str, name: str | None) -> None:
    """Refuse the stage `style` without a style, a style that does not exist, and a name where none is wanted.

    Raises:
        UsageError: One of these.
    """
    if stage != stage_names.STYLE:
        if name is not None:
            raise UsageError(f"The stage '{stage}' takes no --name; it is for `train style`.")
    elif name is None:
        raise UsageError(f"Which style? Give --name; {did_you_mean('', STYLES)}")
    elif name not in STYLES:
        raise UsageError(f"There is no style called '{name}'; {did_you_mean(name, STYLES)}")


def _run_published(
    stage: str, domain: Domain, weights: Path | None, device: str, seed: int, resume: bool, unused: object
) -> Path:
    """The one stage that can be run on downloaded weights."""
    from hyperstyle.training.published_relevance import CONFIG, measure_published

    if stage != stage_names.RELEVANCE:
        raise UsageError(
            f"The weights of '{domain.name}' are published ones; only the stage 'relevance' can be run on them, "
            f"not '{stage}'."
        )
    if unused:
        raise UsageError("Measuring published weights takes no --out, --steps, --minutes or --smoke; leave them out.")
    set_threads()
    with _reporting(stage) as report:
        config = replace(CONFIG, seed=seed)
        path = measure_published(
            domain, weights, device, config, resume, lambda done, total, what: report(done / total, what)
        )
    return path.parent


@contextmanager
def _reporting(stage: str) -> Iterator[Report]:
    """Show a progress bar, or lines where there is no terminal."""
    bar = Progress(
        TextColumn(stage),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
    )
    with bar:
        line = bar.add_task("starting", total=1.0)
        plain = not sys.stderr.isatty()

        def report(share: float, text: str) -> None:
            bar.update(line, completed=share, description=text)
            if plain:
                log.info("%s %.1f%% %s", stage, 100 * share, text)

        yield report


def write_domain(folder: Path, name: str, sizes: DomainSizes) -> None:
    """Write `domain.json` for a run folder."""
    record = {
        "name": name,
        "title": sizes.title,
        "description": sizes.description,
        "licence": "MIT",
        "resolution": sizes.resolution,
        "input_size": sizes.input_size,
        "crop": "ffhq",
        "refinement_steps": sizes.hypernetwork_training.passes,
        "generator": sizes.generator.to_dict(),
        "w_encoder": plain_config(sizes.w_encoder),
        "hypernetwork": plain_config(sizes.hypernetwork),
        "identity": plain_config(sizes.identity),
        "attributes": plain_config(sizes.attributes),
        "traits": plain_traits(sizes.traits),
        "judge": plain_config(sizes.judge),
        "baselines": {name: plain_config(row.sizes) for name, row in sizes.baselines.items()},
        "ablations": {name: plain_config(row) for name, row in sizes.ablations.items()},
    }
    write_text(folder / DOMAIN_FILE, json.dumps(record, indent=1) + "\n")
