"""The page before there are weights: what will be downloaded, what its licences ask, and a button.

It stands where the editor will stand, and gives way to it once the files are there.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from hyperstyle.demo.serving import launch
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.domains import Domain, get_domain
from hyperstyle.published import is_ready, prepare
from hyperstyle.weights.download import DownloadProgress, default_folder, download_set, missing_files, size_text
from hyperstyle.weights.registry import Extra, WeightsSet, find_set

EXTRAS: tuple[Extra, ...] = ("text", "metrics")
POLL_S = 0.5
UNEXPECTED = "Something went wrong that is not your fault; what happened is written where this runs."
# Once the editor answers at this address, show it: the two pages have different titles.
RELOAD = """() => {
  const look = () => fetch(window.location.href, {cache: 'no-store'})
    .then(answer => answer.text())
    .then(page => page.includes('hyperstyle-first-start') ? setTimeout(look, 1000) : window.location.reload())
    .catch(() => setTimeout(look, 1000));
  setTimeout(look, 1500);
}"""
MARKER = '<meta name="hyperstyle-first-start" content="1">'


@dataclass
class Fetching:
    """The one download that every visitor of this page sees. Only its own thread changes it."""

    running: bool = False
    done: bool = False
    text: str = ""
    share: float = 0.0
    trouble: str = ""


def get_weights(name: str, weights: str | Path | None, host: str, port: int, root_path: str | None = None) -> None:
    """Serve a page that offers the download, if a domain's weights are published ones and not on this machine.

    Args:
        name: Domain or folder.
        weights: Folder the caller named for its files.
        host, port, root_path: Where the editor will be.

    Raises:
        UnknownDomain: There is no such domain (also what `published.prepare` raises).
    """
    domain = prepare(get_domain(name), weights, lambda files: print(f"converting {files}, once", flush=True))
    if domain.published and not is_ready(domain):
        serve_until_ready(FirstStart(domain, prepare), host, port, root_path)


class FirstStart:
    """Gets a domain's weights when somebody asks for it.

    Args:
        domain: A published domain.
        install: Called with the domain when the files are there; makes them ready to load.
        folder: Where downloads go.
    """

    def __init__(self, domain: Domain, install: Callable[[Domain], object], folder: Path | None = None) -> None:
        self.domain = domain
        self.weights_set: WeightsSet = find_set(domain.name)
        self.folder = folder or default_folder()
        self.state = Fetching()
        self.finished = threading.Event()
        self._install = install
        self._lock = threading.Lock()

    @property
    def extras(self) -> tuple[Extra, ...]:
        """Optional files that the page can make use of."""
        return tuple(extra for extra in EXTRAS if getattr(self.weights_set, extra))

    def start(self) -> None:
        """Start downloading, unless it is under way or done."""
        with self._lock:
            if self.state.running or self.state.done:
                return
            self.state = Fetching(running=True, text="Asking for the files")
        threading.Thread(target=self._run, name="first start", daemon=True).start()

    def watch(self, accepted: bool) -> Iterator[str]:
        """Start, then say again and again how far it is; ends with the last word."""
        if not accepted and not self.state.running:
            yield _note("Please read and accept the licences first.")
            return
        self.start()
        while self.state.running:
            yield _bar(self.state.share, self.state.text)
            self.finished.wait(POLL_S)
        yield _note(self.state.trouble) if self.state.trouble else _bar(1.0, "Ready. The editor is starting.")

    def _run(self) -> None:
        state, files = self.state, self.weights_set.files(self.extras)
        names = [row.name for row in files]

        def show(at: DownloadProgress) -> None:
            state.share = (names.index(at.file.name) + at.done / (at.total or 1)) / (len(names) + 1)
            state.text = (
                f"{at.file.name} ({names.index(at.file.name) + 1} of {len(names)}): {size_text(at.done)} of "
                f"{size_text(at.total)}, {size_text(int(at.bytes_per_s))} per second"
            )

        with OneSentence(UNEXPECTED) as trouble:
            download_set(self.weights_set, self.extras, self.folder, on_progress=show)
            state.share, state.text = len(names) / (len(names) + 1), "Converting the files, once"
            self._install(self.domain)
        state.trouble = trouble.sentence
        state.done, state.running = not state.trouble, False
        if state.done:
            self.finished.set()


def create_page(first: FirstStart) -> gr.Blocks:
    """Build the page."""
    domain, weights_set = first.domain, first.weights_set
    missing = missing_files(weights_set, first.extras, first.folder)
    total = sum(row.bytes or row.rough_bytes or 0 for row in missing)
    with gr.Blocks(title=f"HyperStyle: getting {domain.title.lower()}", analytics_enabled=False) as page:
        gr.Markdown(
            f"# {domain.title}\n{domain.description}\n\n"
            f"**About {size_text(total)} will be downloaded** ({len(missing)} files) into `{first.folder}`, checked "
            "and converted. This happens once; a download that is interrupted goes on where it stopped. The addresses "
            "belong to other people and may be gone one day."
        )
        gr.Markdown("## What the licences ask")
        for licence in weights_set.licences(first.extras):
            with gr.Accordion(licence.title, open=False):
                gr.Markdown(f"{licence.summary}\n\n[Full text]({licence.url})")
        gr.Markdown(
            "Only use photos you have the right to use, of people who agreed. Already have the files? End the program "
            "and start it again with `--weights FOLDER`."
        )
        accepted = gr.Checkbox(label="I have read the licences and accept them", elem_id="hs-accept")
        button = gr.Button("Download and start", variant="primary", elem_id="hs-download")
        status = gr.HTML(elem_id="hs-first-status")
        button.click(first.watch, accepted, status, api_name=False, show_progress="hidden").then(
            lambda: gr.Button(interactive=not first.state.done), None, button, api_name=False
        ).then(None, js=f"() => {{ if (document.querySelector('#hs-first-status [data-ready]')) ({RELOAD})(); }}")
        page.load(lambda: _bar(first.state.share, first.state.text) if first.state.running else "", None, status)
    return page


def serve_until_ready(first: FirstStart, host: str, port: int, root_path: str | None = None) -> None:
    """Serve the page until the weights are there.

    Raises:
        PortTaken: The port is in use.
    """
    page = create_page(first)
    address = launch(page, host, port, prevent_thread_lock=True, quiet=True, head_marker=MARKER, root_path=root_path)
    print(f"The weights of '{first.domain.name}' are not here yet; {address} says how to get them (Ctrl+C ends it)")
    try:
        first.finished.wait()
    finally:
        # The last word has to reach the browsers before the server is gone.
        threading.Event().wait(2 * POLL_S)
        page.close(verbose=False)


def _bar(share: float, text: str) -> str:
    ready = " data-ready" if share >= 1 else ""
    return (
        f'<div class="hs-first-bar"{ready}><progress max="1" value="{share:.4f}"></progress>'
        f"<p>{html.escape(text)}</p></div>"
    )


def _note(text: str) -> str:
    return f'<p role="alert">{html.escape(text)}</p>'
