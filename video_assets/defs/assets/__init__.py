"""The assets: one module each. How an artifact is made stands in `recipes`."""
