"""The fold below the upload: made-up faces, and mixes of two; behaviour is in `beginnings.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from hyperstyle.demo import texts
from hyperstyle.demo.beginnings import MAX_SEED, MAX_TRUNCATION, Beginnings, Settings, read_settings
from hyperstyle.demo.widgets import script
from hyperstyle.formats import HEIF_SUFFIXES
from hyperstyle.mixing import GROUPS

if TYPE_CHECKING:
    from hyperstyle.demo.handlers import Change, Handlers


class BeginningsForm:
    """The fold, built inside the current container; `wire` connects it.

    Args:
        handlers: Draws, and knows the pages.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.beginnings = Beginnings(handlers)
        self.form = gr.HTML(
            value={},
            html_template='<div class="hs-panel"></div>',
            js_on_load=script("slider.js", "beginnings.js"),
            apply_default_css=False,
            elem_id="hs-beginnings",
            most_seed=MAX_SEED,
            seeds={
                "below": handlers.pipeline.domain.seeds_compared or MAX_SEED + 1,
                "without": list(handlers.pipeline.domain.seeds_too_close),
            },
            truncation={"minimum": 0, "maximum": MAX_TRUNCATION, "step": 0.05},
            groups=[[name, texts.MIX_GROUPS[name]] for name in GROUPS],
            start={"truncation": Settings().truncation, "share": Settings().share},
            words={name: getattr(texts, name) for name in FORM_TEXTS},
        )
        # Pressed by the fold's own button, which stands among what belongs to it.
        self.upload = gr.UploadButton(
            file_types=["image", *HEIF_SUFFIXES], visible="hidden", elem_id="hs-mix-upload", type="filepath"
        )

    def wire(
        self,
        panel: gr.HTML,
        outputs: list[Any],
        update: Callable[[Change], dict[Any, Any]],
        steps_of: Callable[[Any], int],
        options: dict[str, Any],
    ) -> None:
        """Connect the fold with the page.

        Args:
            panel: The controls.
            outputs: What may change.
            update: Makes component updates of a change.
            steps_of: Reads the number of refinement steps from the controls' value.
            options: Of every event.
        """

        def act(event: gr.EventData, value: Any, controls: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
            data = getattr(event, "_data", None)
            action = data.get("action") if isinstance(data, dict) else None
            work = {
                "random": self.beginnings.random,
                "mix": self.beginnings.mix_with_random,
                "remix": self.beginnings.remix,
            }.get(str(action))
            if work is not None:
                for change in work(str(request.session_hash), read_settings(value), steps_of(controls)):
                    yield update(change)

        def mix(path: str | None, value: Any, controls: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
            key, settings = str(request.session_hash), read_settings(value)
            for change in self.beginnings.mix_with_photo(key, path, settings, steps_of(controls)):
                yield update(change)

        self.form.select(act, [self.form, panel], outputs, **options)
        self.upload.upload(mix, [self.upload, self.form, panel], outputs, **options)


FORM_TEXTS = (
    *("BEGIN_RANDOM", "RANDOM_INFO", "RANDOM_SEED", "RANDOM_TRUNCATION", "RANDOM_TRUNCATION_INFO", "RANDOM_NEW"),
    *("BEGIN_MIX", "MIX_INFO", "MIX_SHARE", "MIX_SHARE_INFO", "MIX_LAYERS", "MIX_LAYERS_INFO"),
    *("RANDOM_SEED_INFO", "RANDOM_NEW_INFO", "MIX_RANDOM_INFO", "MIX_PHOTO_INFO"),
    *("MIX_RANDOM", "MIX_PHOTO", "EXACT_VALUE", "RESET_ONE"),
)
"""Names of the `texts` that the form shows."""
