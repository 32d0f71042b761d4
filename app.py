"""Build the page and serve it: `python app.py [--domain NAME|FOLDER] [--device D] [--host H] [--port P] [--mcp]`.

Importing this file loads nothing; running it (what a Space does too) loads the domain and serves the page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hyperstyle.demo import ports
from hyperstyle.domains import DEFAULT_DOMAIN
from hyperstyle.errors import HyperStyleError


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong flags end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        description="Serve the HyperStyle page: drop in a photo, see the face rebuilt, drag it somewhere else.",
        epilog="Examples:  python app.py    python app.py --port 7900    python app.py --domain ffhq --weights ~/files",
    )
    parser.add_argument(
        "--domain", default=DEFAULT_DOMAIN, help=f"a built-in domain or a folder (default: {DEFAULT_DOMAIN})"
    )
    parser.add_argument("--weights", metavar="FOLDER", help="for published domains: folder with their files")
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="where to compute (default: auto)"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1; 0.0.0.0 on a Space)")
    parser.add_argument("--port", type=int, help="port to listen on (default: $GRADIO_SERVER_PORT, $PORT or 7860)")
    parser.add_argument(
        "--root-path", metavar="PATH", help="where a proxy shows the page, such as /faces (default: $GRADIO_ROOT_PATH)"
    )
    parser.add_argument("--mcp", action="store_true", help="also offer the endpoints as tools to MCP clients")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted.

    Returns:
        The exit code: 0, 1 (could not do it) or 2 (wrong usage), with one sentence on stderr.
    """
    options = parse_arguments(arguments)
    try:
        host = options.host or ports.default_host()
        port = ports.default_port() if options.port is None else options.port
        root_path = ports.check_root_path(options.root_path)
        ports.check_port(host, port)

        from hyperstyle import load
        from hyperstyle.demo import create_demo, get_weights, serve

        get_weights(options.domain, options.weights, host, port, root_path)
        pipeline = load(options.domain, options.device, options.weights)

        serve(create_demo(pipeline), host, port, options.mcp, root_path)
    except HyperStyleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
