"""Recipes and controls, one made from the other: the only place that knows both. No gradio in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperstyle.demo import texts
from hyperstyle.demo.state import MAX_PROMPTS, MAX_STEPS, Controls
from hyperstyle.errors import BadRecipe, UnknownEdit, did_you_mean
from hyperstyle.recipes import Recipe

if TYPE_CHECKING:
    from hyperstyle.demo.whole_photo import TakeHome
    from hyperstyle.latents import Inversion
    from hyperstyle.pipeline import HyperStyle


def to_recipe(
    controls: Controls, domain: str, inversion: Inversion | None = None, take: TakeHome | None = None
) -> Recipe:
    """What the controls say, as a recipe that draws the same picture.

    Args:
        controls: Where they stand.
        domain: Name of the page's domain.
        inversion: The face, for a recipe that holds it.
        take: How results are taken away, for a recipe that says so too.
    """
    return Recipe(
        domain,
        controls.look.settled(),
        steps=controls.steps,
        inversion=inversion,
        paste=None if take is None else take.paste,
        mark=None if take is None else take.mark,
    )


def to_controls(recipe: Recipe, steps: int) -> Controls:
    """Where the controls must stand to draw what a recipe says.

    Args:
        recipe: Of the page's domain.
        steps: Refinement steps where the recipe leaves them open.

    Raises:
        BadRecipe: It has more prompts than the page has rows.
    """
    if len(recipe.look.words) > MAX_PROMPTS:
        raise BadRecipe(texts.RECIPE_PROMPTS.format(count=len(recipe.look.words), most=MAX_PROMPTS))
    wanted = steps if recipe.steps is None else min(recipe.steps, MAX_STEPS)
    return Controls(recipe.look.settled(), steps=wanted)


def check_look(pipeline: HyperStyle, recipe: Recipe) -> None:
    """Refuse a recipe that this page cannot show.

    Raises:
        WrongDomain: It was made in another domain.
        UnknownEdit: It names an edit, even one turned off, that has no slider here.
        UsageError: A strength is out of range, or words are unknown.
    """
    pipeline.check_recipe(recipe)
    known = [row.name for row in pipeline.edits]
    for name in recipe.look.edits:
        if name not in known:
            raise UnknownEdit(texts.RECIPE_UNKNOWN_EDIT.format(name=name, hint=did_you_mean(name, known)))
