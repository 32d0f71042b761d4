"""How the page looks: colours, type and spacing. No web fonts, so nothing is fetched from elsewhere."""

from __future__ import annotations

import gradio as gr

from hyperstyle.demo.widgets import read_static

HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
    # On a phone Gradio's footer has one link only; it lies outside of what Gradio lets a style sheet reach.
    "<style>@media (max-width: 640px) { footer .divider { display: none !important; } }</style>"
)

ACCENT = gr.themes.Color(
    name="hyperstyle",
    c50="#eefaf7",
    c100="#d3f2eb",
    c200="#a9e4d8",
    c300="#74cfc0",
    c400="#41b3a3",
    c500="#26978a",
    c600="#1b796f",
    c700="#19615a",
    c800="#184e49",
    c900="#17403d",
    c950="#072523",
)
FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]


def theme() -> gr.themes.Base:
    """The page's theme, light and dark."""
    return gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=gr.themes.colors.stone,
        font=FONT,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="#f6f5f2",
        body_background_fill_dark="#141413",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1d1d1b",
        background_fill_secondary="#faf9f7",
        background_fill_secondary_dark="#191918",
        block_background_fill="*background_fill_primary",
        block_background_fill_dark="*background_fill_primary",
        border_color_primary="#e7e4de",
        border_color_primary_dark="#33322f",
        block_border_width="0px",
        block_shadow="none",
        block_shadow_dark="none",
        body_text_color_subdued="#68625c",  # 5.5 : 1 on the page; the theme's own grey is far below the 4.5 people need
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*neutral_400",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
        button_secondary_background_fill="*background_fill_primary",
        button_secondary_background_fill_dark="#262523",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="#32312e",
        button_secondary_border_color="*border_color_primary",
        button_secondary_border_color_dark="*border_color_primary",
        button_border_width="1px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        input_background_fill="*background_fill_primary",
        input_background_fill_dark="*background_fill_secondary",
        input_border_color="*border_color_primary",
        input_border_color_dark="*border_color_primary",
    )


def css() -> str:
    """The page's own style sheet."""
    return read_static("style.css")
