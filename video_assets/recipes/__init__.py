"""How each artifact is made: one module a stage, with `wanted` (pure) and `make`.

`RECIPES` has them all in the order in which they are made; assets, the bulk re-make, staleness and the command walk it.
How a run is launched, checked in and reported is not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from video_assets.recipes import search_documents, summaries, transcripts, uploads, variants
from video_assets.recipes.base import FromRows, Ingredient, Known, Making, Recipe, Source, Wanted
from video_assets.settings import Settings
from video_assets.videos import Stage

RECIPES: Mapping[Stage, Recipe] = {
    recipe.stage: recipe
    for recipe in (uploads.RECIPE, variants.RECIPE, transcripts.RECIPE, summaries.RECIPE, search_documents.RECIPE)
}

DECIDING = frozenset({Stage.UPLOADS})
"""Stages whose facts a `wanted` looks at: the ledger keeps them."""


def wanted(stage: Stage, known: Known, settings: Settings) -> Wanted | None:
    """What the artifact would be made of now; None where something it is made from was never made."""
    recipe = RECIPES[stage]
    if any(source not in known.made for source in recipe.made_from):
        return None
    return recipe.wanted(known, settings)


__all__ = ["DECIDING", "RECIPES", "FromRows", "Ingredient", "Known", "Making", "Recipe", "Source", "Wanted", "wanted"]
