"""The endpoints as tools for assistants that speak MCP. Gradio serves them; here files and answers become plain.

Only endpoints of `api.py` are tools: the page's own events are private.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio_client import handle_file

from hyperstyle.demo import texts
from hyperstyle.errors import ExtraMissing, UsageError

PATH = "gradio_api/mcp/"
"""Below the page's address."""


def check_mcp() -> None:
    """Make sure that tools can be served.

    Raises:
        ExtraMissing: The package `mcp` is not installed, or a version that Gradio cannot use.
    """
    try:
        from mcp.server.lowlevel.helper_types import ReadResourceContents  # noqa: F401
        from mcp.server.sse import SseServerTransport  # noqa: F401
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: F401
    except ImportError:
        raise ExtraMissing(texts.MCP_MISSING) from None


def make_plain(demo: gr.Blocks) -> None:
    """Change how a page that was launched with MCP reads files and writes answers.

    Gradio refuses addresses on the machine itself, so one tool's file could not go into the next; here a file that this
    page made or took is taken. A photo that comes as a data URI is written into a file that Gradio never deletes; here
    it goes with the other uploads. Answers come in Python's notation; here they are JSON, and every picture a picture.

    Raises:
        ExtraMissing: Gradio could not serve the tools.
    """
    server = demo.mcp_server_obj
    if server is None or demo.mcp_error:
        raise ExtraMissing(texts.MCP_FAILED.format(reason=str(demo.mcp_error or "")[:200]))
    read, write = server.convert_strings_to_filedata, server.postprocess_output_data

    def read_plainly(value: dict[str, Any], positions: list[list[str | int]]) -> dict[str, Any]:
        given = dict(value)
        for name, text in value.items():
            if [name] not in positions or not isinstance(text, str):
                continue
            path = own_file(demo, text)
            given[name] = read({name: text}, positions)[name] if path is None else handle_file(path)
            if text.startswith("data:"):
                demo.upload_file_set.add(given[name]["path"])
        return given

    def write_plainly(data: Any, root_url: str) -> Any:
        return write([part for answer in data for part in _plain(answer)], root_url)

    server.convert_strings_to_filedata = read_plainly
    server.postprocess_output_data = write_plainly


def own_file(demo: gr.Blocks, address: str) -> str | None:
    """The path of a file that this page made or took, by its address; None for any other address.

    Raises:
        UsageError: The address is this page's, but the file is not, or has been deleted.
    """
    before, mark, quoted = address.partition("/gradio_api/file=")
    path = unquote(quoted)
    if mark and any(path in known for known in demo.temp_file_sets) and Path(path).is_file():
        return path
    if mark and before == str(demo.local_url or "").rstrip("/"):
        raise UsageError(texts.MCP_NO_FILE)
    return None


def _plain(answer: Any) -> list[Any]:
    """One answer as what Gradio can write: files as they are, everything else as JSON text."""
    if isinstance(answer, tuple):  # several values that arrive as one
        return [part for value in answer for part in _plain(value)]
    if _is_file(answer) or isinstance(answer, str):
        return [answer]
    if (
        isinstance(answer, list)
        and answer
        and all(isinstance(row, dict) and _is_file(row.get("image")) for row in answer)
    ):
        return [row["image"] for row in answer]  # a gallery
    return [json.dumps(answer)]


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("meta"), dict) and "path" in value
