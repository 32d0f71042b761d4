"""Directions in `w` from labelled samples: the normal of the plane that separates a property's extremes.

Pure functions over tensors; `training.directions` samples, measures and writes.

Source: InterFaceGAN (arXiv 1907.10786, arXiv 2005.09635).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperstyle.errors import ShapeMismatch, extra_missing

SOURCE = "InterFaceGAN, arXiv 1907.10786"


@dataclass(frozen=True)
class Boundary:
    """A fitted plane.

    Attributes:
        normal: (w_dim,) unit vector pointing to the property's high side.
        accuracy: Share of held-out extremes on the right side of the plane.
        n: Number of samples it was fitted on.
    """

    normal: Tensor
    accuracy: float
    n: int


def extremes(values: Tensor, share: float = 0.3) -> tuple[Tensor, Tensor]:
    """Choose the samples that clearly have a property and those that clearly lack it.

    Args:
        values: (N,) the property.
        share: Fraction of the samples taken from either end. Where many samples share the lowest (or highest) value,
            as with glasses, all of them count as that end.

    Returns:
        Two (N,) bool masks, low and high; they never overlap.
    """
    low_edge, high_edge = torch.quantile(values, torch.tensor([share, 1 - share], dtype=values.dtype))
    if low_edge >= high_edge:  # more than the middle is one value: split beside it
        middle = (values.min() + values.max()) / 2
        return values < middle, values > middle
    return values <= low_edge, values >= high_edge


def fit_boundary(w: Tensor, low: Tensor, high: Tensor, regularisation: float = 1.0, held_out: float = 0.2) -> Boundary:
    """Separate two groups of latents by a plane (linear SVM).

    Args:
        w: (N, w_dim).
        low: (N,) bool, without the property.
        high: (N,) bool, with it.
        regularisation: The SVM's C; smaller is smoother.
        held_out: Share of the extremes kept for the accuracy.

    Raises:
        ShapeMismatch: One group has fewer than two members, so there is nothing to separate.
    """
    try:
        from sklearn.svm import LinearSVC  # the library runs without scikit-learn; only training needs it
    except ModuleNotFoundError:
        raise extra_missing("Training directions", "train") from None

    chosen = low | high
    points, labels = w[chosen].double(), high[chosen]
    n_test = int(len(points) * held_out)
    train_labels = labels[n_test:]
    if int(train_labels.sum()) < 2 or int((~train_labels).sum()) < 2:
        raise ShapeMismatch(f"A direction needs samples with and without the property, not {len(points)} of one kind.")
    centre = points[n_test:].mean(0)
    # One scale for all dimensions keeps the normal a direction in `w` itself.
    scale = (points[n_test:] - centre).std().clamp(min=1e-12)
    points = (points - centre) / scale
    machine = LinearSVC(C=regularisation, dual=False, class_weight="balanced", max_iter=5000, tol=1e-4)
    machine.fit(points[n_test:].numpy(), train_labels.numpy())
    accuracy = float(machine.score(points[:n_test].numpy(), labels[:n_test].numpy())) if n_test else float("nan")
    normal = F.normalize(torch.from_numpy(machine.coef_[0]), dim=0)
    return Boundary(normal.float(), accuracy, len(points) - n_test)


def project_out(normal: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Remove from a normal everything along other normals, so that moving along it leaves their planes in place.

    Args:
        normal: (w_dim,) unit vector.
        others: (w_dim,) vectors, not necessarily orthogonal to each other.

    Returns:
        (w_dim,) unit vector orthogonal to all of `others`; `normal` itself if there are none.

    Raises:
        ShapeMismatch: Nothing is left: `normal` lies in the span of the others.
    """
    if not others:
        return F.normalize(normal, dim=0)
    basis, _ = torch.linalg.qr(torch.stack([o.double() for o in others], 1))
    rest = normal.double() - basis @ (basis.T @ normal.double())
    if float(rest.norm()) < 1e-4 * float(normal.norm()):
        raise ShapeMismatch("Nothing is left of a direction once the others are projected out; condition on fewer.")
    return F.normalize(rest, dim=0).to(normal.dtype)


def kept_share(normal: Tensor, others: Sequence[Tensor]) -> float:
    """Length that is left of a unit normal after `project_out`, before it is made a unit vector again (0 to 1)."""
    if not others:
        return 1.0
    basis, _ = torch.linalg.qr(torch.stack([o.double() for o in others], 1))
    unit = F.normalize(normal.double(), dim=0)
    return float((unit - basis @ (basis.T @ unit)).norm())


def choose_conditions(
    name: str,
    normals: Mapping[str, Tensor],
    leak: Mapping[str, float],
    keep: Sequence[str] = (),
    threshold: float = 0.12,
    most: int = 6,
    least_left: float = 0.5,
) -> tuple[str, ...]:
    """Choose which other properties to project out of a direction: those it moves most, as long as enough is left.

    Args:
        name: The direction.
        normals: Unit normal of every property.
        leak: Property -> change per strength 1 in its standard deviations.
        keep: Properties that belong to the change and may move with it (grey hair with age).
        threshold: Leaks below this are left alone.
        most: Upper bound on the number of conditions.
        least_left: A condition that would leave less than this share of the direction is skipped.
    """
    chosen: list[str] = []
    for other in sorted(leak, key=lambda key: -abs(leak[key])):
        if other == name or other not in normals or other in keep or abs(leak[other]) < threshold:
            continue
        trial = [normals[key] for key in (*chosen, other)]
        if kept_share(normals[name], trial) >= least_left:
            chosen.append(other)
        if len(chosen) == most:
            break
    return tuple(chosen)
