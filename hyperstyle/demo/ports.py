"""Where the page is served. No gradio in here: a taken port is reported before anything heavy is imported."""

from __future__ import annotations

import os
import socket

from hyperstyle.demo import texts
from hyperstyle.errors import PortTaken, UsageError

DEFAULT_PORT = 7860


def check_port(host: str, port: int) -> None:
    """Make sure the page can be served there, before minutes go into loading models.

    Raises:
        PortTaken: Another program listens on that port, or it may not be used.
        UsageError: There is no such host or port.
    """
    if not 1 <= port <= 65535:
        raise UsageError(f"There is no port {port}; choose one between 1 and 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise UsageError(f"The host '{host}' is not known; use 127.0.0.1, or 0.0.0.0 to be reachable.") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port just left is free
        try:
            probe.bind(address)
        except PermissionError:
            raise PortTaken(f"Port {port} needs special rights; choose one above 1023 with --port.") from None
        except OverflowError:
            raise UsageError(f"There is no port {port}; choose one between 1 and 65535.") from None
        except OSError:
            raise PortTaken(
                f"Port {port} on {host} cannot be used because another program listens there; stop it, or choose "
                f"another port, for example --port {port + 1}."
            ) from None


def check_root_path(root_path: str | None) -> str | None:
    """Return where a proxy shows the page, without a slash at its end; None where nobody says.

    Raises:
        UsageError: It is neither a path from the root nor a whole address.
    """
    if root_path is None:
        return None
    if not root_path.startswith(("/", "http://", "https://")) or any(letter.isspace() for letter in root_path):
        raise UsageError(texts.BAD_ROOT_PATH.format(given=root_path[:60]))
    return root_path.rstrip("/")


def default_host() -> str:
    """127.0.0.1, or everywhere on a Space, whose proxy connects from outside; `GRADIO_SERVER_NAME` overrides."""
    return os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")


def default_port() -> int:
    """7860, or what `GRADIO_SERVER_PORT` or `PORT` says.

    Raises:
        UsageError: That is not a number.
    """
    for name in ("GRADIO_SERVER_PORT", "PORT"):
        value = os.environ.get(name)
        if value:
            try:
                return int(value)
            except ValueError:
                raise UsageError(f"The environment variable {name} is '{value}', which is not a port number.") from None
    return DEFAULT_PORT
