"""One thread in which a page's networks are loaded and run, whatever thread a request arrives in.

With OpenMP every thread that computes gets a team of helpers of its own. Once there are more of them than cores,
helpers no longer wait awake for the next piece of work but go to sleep, and everything takes about half as long again.
A server answers in many threads, so here one of them computes and the others wait for it; what little they calculate
themselves (a picture's bytes, a caption's number) they calculate alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from hyperstyle.inversion import METHODS

if TYPE_CHECKING:
    from torch import Tensor

    from hyperstyle.pipeline import HyperStyle

Result = TypeVar("Result")

QUICK = frozenset({"draw", "render", "preview"})
"""The pipeline's methods that draw one picture with its networks. `invert` takes longer."""


class ComputeThread:
    """Does one piece of work after another; quick ones overtake long ones, and may come in between their steps."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._quick: deque[Callable[[], None]] = deque()
        self._long: deque[Callable[[], None]] = deque()
        threading.Thread(target=self._work, name="compute", daemon=True).start()

    def run(self, work: Callable[[], Result], quick: bool = True) -> Result:
        """Have a piece of work done and wait for what it returns or raises."""
        done: Future[Result] = Future()
        with self._changed:
            (self._quick if quick else self._long).append(partial(_settle, done, work))
            self._changed.notify()
        return done.result()

    def serve_quick(self) -> None:
        """Do the quick pieces that are waiting; for long ones to call between their steps."""
        while True:
            with self._changed:
                if not self._quick:
                    return
                job = self._quick.popleft()
            job()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._quick or self._long)
                job = (self._quick or self._long).popleft()
            job()


def confine(load: Callable[[], HyperStyle]) -> HyperStyle:
    """Load a pipeline in a thread of its own and let its networks run nowhere else.

    Methods that descend take minutes and would keep everybody waiting, so they get another thread for as long as they
    take.

    Args:
        load: Loads it.

    Returns:
        It, to be used from any thread.

    Raises:
        HyperStyleError: Whatever `load` raises.
    """
    thread = ComputeThread()
    pipeline, cores = thread.run(lambda: (load(), torch.get_num_threads()), quick=False)
    # From here on threads begin with one core; the one above keeps what it has.
    torch.set_num_threads(1)
    return cast("HyperStyle", _Confined(pipeline, thread, cores))


class _Confined:
    """Stands for a pipeline; what computes is handed to its thread, the rest is passed on as it is."""

    def __init__(self, pipeline: HyperStyle, thread: ComputeThread, cores: int) -> None:
        object.__setattr__(self, "_parts", (pipeline, thread, cores))

    def __getattr__(self, name: str) -> Any:
        pipeline, thread, _ = self._parts
        found = getattr(pipeline, name)
        if name not in QUICK:
            return found

        @wraps(found)
        def elsewhere(*values: Any, **named: Any) -> Any:
            return thread.run(lambda: found(*values, **named))

        return elsewhere

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._parts[0], name, value)

    def invert(
        self,
        face: Any,
        steps: int | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
        method: str = "hyperstyle",
    ) -> Any:
        """As `HyperStyle.invert`; between its steps other people's pictures are drawn."""
        pipeline, thread, cores = self._parts

        def tell(step: int, picture: Tensor) -> None:
            assert on_step is not None
            on_step(step, picture)
            thread.serve_quick()

        if method in METHODS and METHODS[method].descends:
            return _alone(lambda: pipeline.invert(face, steps, on_step, method), cores)
        heard = None if on_step is None else tell
        return thread.run(lambda: pipeline.invert(face, steps, heard, method), quick=False)


def _alone(work: Callable[[], Result], cores: int) -> Result:
    """Do something slow on all cores in a thread that ends with it."""
    done: Future[Result] = Future()
    begun = threading.Event()

    def run() -> None:
        torch.set_num_threads(cores)
        begun.set()
        _settle(done, work)

    threading.Thread(target=run, name="slow-method", daemon=True).start()
    begun.wait()
    torch.set_num_threads(1)  # the number is also what threads yet to come begin with
    return done.result()


def _settle(done: Future[Result], work: Callable[[], Result]) -> None:
    """Keep what work returns or raises for whoever waits for it."""
    try:
        result = work()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(result)
