"""What programs send that Gradio cannot read is answered in one sentence, where Gradio would say nothing at all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.routes import JSONResponse

from hyperstyle.demo import texts
from hyperstyle.demo.api import ENDPOINTS, Endpoints
from hyperstyle.demo.trouble import log
from hyperstyle.errors import did_you_mean
from hyperstyle.scalars import is_number


async def answer_unknown(request: Any, error: Exception) -> JSONResponse:
    """Name the argument or endpoint that there is not; one of FastAPI's handlers, for KeyError and TypeError."""
    before, mark, name = request.url.path.rstrip("/").partition("/call/v2/")
    if not mark or not before.endswith("/gradio_api"):
        raise error
    if isinstance(error, KeyError) and name not in ENDPOINTS:
        sentence = texts.API_NO_ENDPOINT.format(name=name[:40], near=did_you_mean(name[:40], ENDPOINTS))
        return JSONResponse({"detail": sentence}, 404)
    unknown = re.search("`(.{1,40})", str(error)) if isinstance(error, TypeError) else None
    if unknown is None or name not in ENDPOINTS:
        raise error
    word = unknown[1].partition("`")[0]
    near = did_you_mean(word, arguments_of(name))
    return JSONResponse({"detail": texts.API_NO_ARGUMENT.format(name=name, word=word, near=near)}, 422)


def read_plainly(demo: gr.Blocks) -> None:
    """Change how a page reads what its endpoints are given: what cannot be read raises one sentence."""
    read = demo.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *rest: Any, **options: Any) -> Any:
        if block_fn.api_name not in ENDPOINTS:
            return await read(block_fn, inputs, *rest, **options)
        check_arguments(block_fn.api_name, block_fn.inputs, inputs)
        try:
            return await read(block_fn, inputs, *rest, **options)
        except gr.Error:
            raise
        except Exception as error:  # of a file: it is not there, belongs to somebody else, or cannot be fetched
            log.info("The endpoint %s was given what cannot be read", block_fn.api_name, exc_info=error)
            raise gr.Error(texts.API_UNREADABLE, print_exception=False) from None

    demo.preprocess_data = preprocess_data


def arguments_of(endpoint: str) -> list[str]:
    """Names of an endpoint's arguments, in order."""
    return list(inspect.signature(getattr(Endpoints, endpoint)).parameters)[1:]


def check_arguments(endpoint: str, components: Sequence[Any], values: Sequence[Any]) -> None:
    """Refuse what a component cannot read.

    Raises:
        gr.Error: The number of values or the kind of one is wrong.
    """
    names = arguments_of(endpoint)
    if len(values) < len(names):
        raise gr.Error(
            texts.API_TOO_FEW.format(name=endpoint, count=len(names), names=", ".join(names), given=len(values)),
            print_exception=False,
        )
    for name, component, value in zip(names, components, values, strict=False):
        if value is None:
            continue
        sentence = ""
        if isinstance(component, gr.Image | gr.File) and not (isinstance(value, dict) and value.get("path")):
            sentence = texts.API_BAD_FILE
        elif isinstance(component, gr.Number) and not is_number(value):
            sentence = texts.API_BAD_NUMBER
        if sentence:
            raise gr.Error(sentence.format(name=name, what=str(value)[:60]), print_exception=False)
