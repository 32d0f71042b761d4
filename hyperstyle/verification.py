"""Does a network tell people apart? Pairs of pictures of one person against pairs of two people.

Pure functions on similarities and labels: training watches a network with them, evaluation writes them down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

FALSE_ACCEPT_RATE = 1e-3


@dataclass(frozen=True)
class Verification:
    """How well similarities tell people apart.

    Attributes:
        same_pairs, stranger_pairs: Numbers of pairs: two shots of one person, pictures of two people.
        auc: Probability that a pair of one person is more alike than a pair of strangers: .5 guesses, 1 is perfect.
        same_mean, stranger_mean: Mean similarity.
        threshold: Similarity that only `FALSE_ACCEPT_RATE` (or the rate asked for) of the strangers exceed.
        accepted: Share of the pairs of one person that exceed it.

    What cannot be said without pairs of one kind is None.
    """

    same_pairs: int
    stranger_pairs: int
    auc: float | None
    same_mean: float | None
    stranger_mean: float | None
    threshold: float | None
    accepted: float | None


def verify(
    embeddings: Tensor, people: Sequence[str], shots: Sequence[str] | None = None, rate: float = FALSE_ACCEPT_RATE
) -> Verification:
    """Measure an identity network by the cosine of its embeddings.

    Args:
        embeddings: (N, C), of any length.
        people: Who is in each picture.
        shots: From `same_shots`; None where every picture is a shot of its own.
        rate: Share of strangers that the threshold lets pass.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    return verify_similarity(unit @ unit.t(), people, shots, rate)


def verify_similarity(
    similarity: Tensor, people: Sequence[str], shots: Sequence[str] | None = None, rate: float = FALSE_ACCEPT_RATE
) -> Verification:
    """As `verify`, for any measure of likeness.

    Args:
        similarity: (N, N), larger for pictures that are more alike; a distance enters with a minus.
        people, shots, rate: As in `verify`.
    """
    same, strangers = pairs(similarity, people, shots)
    threshold = threshold_at_false_accept(strangers, rate) if len(strangers) else None
    return Verification(
        same_pairs=len(same),
        stranger_pairs=len(strangers),
        auc=auc(same, strangers) if len(same) and len(strangers) else None,
        same_mean=float(same.mean()) if len(same) else None,
        stranger_mean=float(strangers.mean()) if len(strangers) else None,
        threshold=threshold,
        accepted=float((same > threshold).float().mean()) if len(same) and threshold is not None else None,
    )


def pairs(similarity: Tensor, people: Sequence[str], shots: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
    """Pick the similarities that count.

    Args:
        similarity: (N, N), symmetric.
        people, shots: As in `verify`; two pictures of one shot are no pair.

    Returns:
        (P,) of one person in different shots, and (Q,) of two people.
    """
    number = {name: place for place, name in enumerate(dict.fromkeys(people))}
    who = torch.tensor([number[name] for name in people])
    same = who[:, None] == who
    again = torch.eye(len(people), dtype=torch.bool)
    if shots is not None:
        number = {name: place for place, name in enumerate(dict.fromkeys(shots))}
        shot = torch.tensor([number[name] for name in shots])
        again |= shot[:, None] == shot
    once = torch.ones_like(same).triu(1)
    similarity = similarity.detach().cpu()
    return similarity[same & ~again & once], similarity[~same & once]


def shares_below(same: Tensor, strangers: Tensor) -> Tensor:
    """Share of the strangers' pairs that are less alike than each pair of one person, ties counting half.

    Args:
        same: (P,).
        strangers: (Q,), Q of 1 or more.

    Returns:
        (P,) float64, whose mean is the area under the ROC curve.
    """
    ordered = strangers.double().sort().values
    wanted = same.double().contiguous()
    below = torch.searchsorted(ordered, wanted, right=False)
    not_above = torch.searchsorted(ordered, wanted, right=True)
    return (below + not_above).double() / (2 * len(ordered))


def auc(same: Tensor, strangers: Tensor) -> float:
    """Area under the ROC curve: how often a pair of one person is more alike than a pair of strangers.

    Args:
        same: (P,) similarities of pairs of one person, P of 1 or more.
        strangers: (Q,) of pairs of two people, Q of 1 or more.
    """
    return float(shares_below(same, strangers).mean())


def threshold_at_false_accept(strangers: Tensor, rate: float = FALSE_ACCEPT_RATE) -> float:
    """The smallest similarity that no more than a share of the strangers' pairs exceed.

    Args:
        strangers: (Q,), Q of 1 or more; of fewer than 1 / rate pairs it is the largest.
        rate: From 0 to less than 1.
    """
    passing = math.floor(rate * len(strangers) + 1e-9)
    return float(strangers.kthvalue(len(strangers) - passing).values)


def same_shots(files: Sequence[str], same_as: Sequence[str]) -> list[str]:
    """Name the shot that each picture shows, where some files are the same photograph again.

    Args:
        files: Names of the pictures' files.
        same_as: For each, the name of a file with the same shot, which need not be among `files`; or "".

    Returns:
        For each picture a name that all pictures of its shot share.
    """
    leads = {file: other for file, other in zip(files, same_as, strict=True) if other}

    def first(file: str) -> str:
        passed = {file}
        while file in leads and leads[file] not in passed:
            file = leads[file]
            passed.add(file)
        # Two files that name each other: the name that sorts first stands for both.
        return min(file, leads[file]) if file in leads else file

    return [first(file) for file in files]
