"""Whatever goes wrong becomes one sentence. No gradio in here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType

from hyperstyle.demo import texts
from hyperstyle.errors import HyperStyleError

log = logging.getLogger(__name__)


@dataclass
class OneSentence:
    """Keep errors from going on, and say in one sentence what went wrong; what nobody foresaw is logged with its stack.

    May hold a `yield`, as long as it is left in the thread that entered it.

    Args:
        unexpected: What to say about an error that is not meant for people.

    Attributes:
        error: What went wrong; None while nothing did.
    """

    unexpected: str = texts.UNEXPECTED
    error: Exception | None = None

    def __enter__(self) -> OneSentence:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False  # nothing, or what must stop the program, such as Ctrl-C
        if not isinstance(error, HyperStyleError):
            log.error("Something could not be done", exc_info=error)
        self.error = error
        return True

    @property
    def sentence(self) -> str:
        """For the person; empty while nothing went wrong."""
        if self.error is None:
            return ""
        return str(self.error) if isinstance(self.error, HyperStyleError) else self.unexpected
