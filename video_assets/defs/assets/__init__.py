"""The assets: one module each, and the recipes by which both they and the bulk re-make are made."""
