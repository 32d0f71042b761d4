"""Serving the page: the theme and every privacy switch."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.languages import gradio_tables, head_script
from hyperstyle.demo.mcp_tools import check_mcp, make_plain
from hyperstyle.demo.plain_requests import answer_unknown, read_plainly
from hyperstyle.demo.ports import DEFAULT_PORT, check_port
from hyperstyle.demo.theme import HEAD, css, theme
from hyperstyle.demo.widgets import STATIC, read_static
from hyperstyle.errors import PortTaken
from hyperstyle.images import MAX_FILE_BYTES


def launch(
    demo: gr.Blocks,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    head_marker: str = "",
    mcp: bool = False,
    **options: Any,
) -> str:
    """Serve the page.

    Args:
        demo: From `create_demo`.
        host: Address to listen on; 0.0.0.0 for every network this machine is in.
        port: Port to listen on.
        head_marker: More HTML for the head of the page.
        mcp: Also offer the endpoints as tools to MCP clients, below `mcp_tools.PATH`.
        options: More arguments of `gr.Blocks.launch`, such as `prevent_thread_lock`.

    Returns:
        The page's address, once it is served (with `prevent_thread_lock`) or has been closed.

    Raises:
        PortTaken: The port is in use.
        ExtraMissing: `mcp` needs a package that is not installed.
    """
    check_port(host, port)
    if mcp:
        check_mcp()
    # Gradio looks in the environment wherever an argument is left out, so each switch is given here.
    settings: dict[str, Any] = {
        "server_name": host,
        "server_port": port,
        "theme": theme(),
        "css": css(),
        "head": HEAD + head_script(read_static("say.js")) + head_marker,
        "favicon_path": STATIC / "favicon.svg",
        "share": False,
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "mcp_server": mcp,
        "pwa": False,
        "show_error": False,
        "max_file_size": MAX_FILE_BYTES,
        "i18n": gradio_tables(),
        "app_kwargs": {"exception_handlers": dict.fromkeys((TypeError, KeyError), answer_unknown)},
        "footer_links": ["api", "settings"],
        **options,
    }
    read_plainly(demo)
    try:
        _, address, _ = demo.launch(**settings)
    except OSError as error:
        if "port" in str(error).lower():
            raise PortTaken(f"Port {port} on {host} was taken in this moment; choose another with --port.") from None
        raise
    if mcp:
        make_plain(demo)
    return str(address)


def serve(demo: gr.Blocks, host: str, port: int, mcp: bool = False, root_path: str | None = None) -> None:
    """Serve the page until the program is interrupted or told to end, then forget every open page.

    Args:
        demo, host, port, mcp: As for `launch`.
        root_path: Where a proxy shows the page, such as "/faces"; None for what GRADIO_ROOT_PATH says.

    Raises:
        PortTaken: The port is in use.
        ExtraMissing: `mcp` needs a package that is not installed.
    """
    # With `mcp`, Gradio itself prints the address of the tools.
    address = launch(demo, host, port, mcp=mcp, prevent_thread_lock=True, quiet=True, root_path=root_path)
    print(texts.SERVED.format(address=address), flush=True)
    threading.Thread(target=demo.page.handlers.warm_up, name="warm-up", daemon=True).start()
    # Containers end programs by SIGTERM, which would otherwise skip everything below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        demo.block_thread()
    finally:
        demo.page.handlers.store.close_all()
        demo.close(verbose=False)
