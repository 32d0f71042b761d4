"""Failures a person can act on.

Every class here carries one clear sentence: what happened and what to do next. The command line prints it and exits
with `exit_code`; the page shows it as a message. Anything else that escapes is a bug in this project.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class HyperStyleError(Exception):
    """Base of every error meant for the person using HyperStyle; `str()` is one sentence."""

    exit_code = 1


class UsageError(HyperStyleError):
    """The request itself is wrong (a name, a number, an option), so trying again unchanged cannot help."""

    exit_code = 2


# Photos and faces


class UnreadableImage(HyperStyleError):
    """The file is not a picture, is truncated, is empty or shows nothing at all."""


class PhotoTooLarge(HyperStyleError):
    """The file or its pixel size is beyond what is decoded."""


class NoFaceFound(HyperStyleError):
    """No face was found, or only ones too small to use."""


class NoSuchFace(UsageError):
    """A face number outside the faces found in the photo."""


# Domains and weights


class UnknownDomain(UsageError):
    """Neither a built-in domain nor a folder with a `domain.json`."""


class WeightsMissing(HyperStyleError):
    """A file that belongs to a domain is not there."""


class WeightsCorrupt(HyperStyleError):
    """A file that belongs to a domain, or a saved inversion, cannot be read."""


class ForeignWeights(HyperStyleError):
    """A readable weights file that was made for something else."""


class UnknownWeights(UsageError):
    """No published weights of that name; the message suggests the nearest."""


class ChecksumMismatch(HyperStyleError):
    """A file has the right name but other contents than the published one."""


class DownloadFailed(HyperStyleError):
    """A published file could not be fetched from anywhere; the message says what each place answered."""


class WrongDomain(UsageError):
    """An inversion or recipe made in one domain was handed to another."""


class ShapeMismatch(HyperStyleError):
    """Tensors that do not fit together."""


# Edits


class BadRecipe(HyperStyleError):
    """A file, a link or a picture that is no recipe, or one that is damaged, too large or of a later version."""


class UnknownEdit(UsageError):
    """No edit of that name in the domain; the message suggests the nearest."""


class BadStrength(UsageError):
    """A strength that is not a finite number or is absurdly far outside the edit's range."""


class BadLook(BadStrength):
    """A part of a look is of the wrong kind or not finite; `reason` is the sentence without capital and full stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason[0].upper()}{reason[1:]}.")
        self.reason = reason


class BadPrompt(UsageError):
    """A prompt that is empty or too long."""


class UnknownPrompt(UsageError):
    """A prompt of which the text model knows no word.

    Args:
        message: The sentence to show.
        suggestions: Prompts that would work, for the page to offer.
    """

    def __init__(self, message: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = tuple(suggestions)


# Long work


class Cancelled(HyperStyleError):
    """Somebody stopped the work before it was done; nothing was written."""


# The machine


class DeviceMissing(UsageError):
    """A device was asked for that this machine does not have."""


class CannotWrite(HyperStyleError):
    """A result could not be saved: disk full, no permission, no such folder."""


class ExtraMissing(HyperStyleError):
    """A feature needs an optional package that is not installed."""


class BrowserMissing(HyperStyleError):
    """Measuring the page needs a browser, or the library that drives it, and one of them is not installed."""


class PortTaken(HyperStyleError):
    """Another program already listens on the wanted port."""


def extra_missing(what: str, extra: str) -> ExtraMissing:
    """Make the error for a feature whose packages are not installed.

    Args:
        what: The feature, as the beginning of a sentence: "Finding faces".
        extra: Name of the extra in pyproject.toml.
    """
    return ExtraMissing(
        f"{what} needs packages that are not installed; in the folder of HyperStyle's source, run: "
        f'pip install ".[{extra}]"'
    )


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Name the choice nearest to a mistyped word, to end a message with: not even a full stop is put after it.

    Returns:
        `"did you mean 'smile'?"`, or, when nothing is near, `"choose from: age, smile."`; "there is nothing to choose
        from." when there are no choices.
    """
    known = list(choices)
    by_lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{by_lower[near[0]]}'?"
    return f"choose from: {', '.join(known)}." if known else "there is nothing to choose from."
