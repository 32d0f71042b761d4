"""Suggestions in messages: what they say, and that nothing stands behind them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hyperstyle.demo import texts
from hyperstyle.errors import did_you_mean

PACKAGE = Path(__file__).resolve().parent.parent / "hyperstyle"


def test_did_you_mean():
    assert did_you_mean("smlie", ["age", "smile"]) == "did you mean 'smile'?"
    assert did_you_mean("SMILE", ["age", "smile"]) == "did you mean 'smile'?"
    assert did_you_mean("xyz", ["age", "smile"]) == "choose from: age, smile."
    assert did_you_mean("xyz", []) == "there is nothing to choose from."


def suggestions(path: Path) -> list[ast.JoinedStr]:
    """The texts of a file that hold a suggestion."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and any("did_you_mean(" in ast.unparse(part) for part in node.values)
    ]


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if suggestions(path)],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_suggestions_end_their_message(path: Path):
    """They bring their own question mark or full stop; another one would read "did you mean 'crop'?."."""
    for text in suggestions(path):
        assert "did_you_mean(" in ast.unparse(text.values[-1]), f"line {text.lineno}"


def test_suggestions_end_the_texts_of_the_page():
    held = [text for text in vars(texts).values() if isinstance(text, str) and "{hint}" in text]
    assert held
    assert all(text.endswith("{hint}") for text in held)
