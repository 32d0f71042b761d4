"""`domains` and `edits`: what there is to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from hyperstyle.cli import shared
from hyperstyle.cli.shared import DeviceOption, DomainOption, WeightsOption
from hyperstyle.domains import DEFAULT_DOMAIN

if TYPE_CHECKING:
    from hyperstyle.domains import Domain


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(epilog=shared.examples("domains"))(domains)
    app.command(epilog=shared.examples("edits", "edits --domain portraits"))(edits)


def domains(device: DeviceOption = "auto") -> None:  # taken by every command; here nothing runs on it
    """List the kinds of picture there are models for."""
    from hyperstyle.domains import list_domains

    table = _table("name", "picture", "weights", "licence", "what it is")
    for row in list_domains():
        table.add_row(row.name, f"{row.resolution} px", _megabytes(row), row.licence, f"{row.title}. {row.description}")
    Console().print(table)


def edits(domain: DomainOption = DEFAULT_DOMAIN, weights: WeightsOption = None, device: DeviceOption = "auto") -> None:
    """List the edits a domain offers, with their units and ranges, and its styles."""
    from hyperstyle.device import resolve_device
    from hyperstyle.domains import get_domain
    from hyperstyle.pipeline import list_edits

    resolve_device(device)
    rows = list_edits(domain, weights)
    if not rows:
        way = "download " + domain if get_domain(domain).published else "train directions"
        print(f"The domain '{domain}' has no edits yet; get them with: python -m hyperstyle {way}")
        return
    table = _table("name", "range", "unit", "what it does")
    for row in rows:
        table.add_row(row.name, f"{row.minimum:g} to {row.maximum:g}", row.unit, row.description)
    Console().print(table)
    styles = get_domain(domain).styles
    if styles:
        print(f"Styles to draw in, with --style: {', '.join(styles)}")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading in ("name", "range", "picture", "weights"))
    return table


def _megabytes(domain: Domain) -> str:
    found = [path for path in map(domain.path, domain.files) if path.is_file()]
    return f"{sum(path.stat().st_size for path in found) / 1e6:.1f} MB" if found else "missing"
