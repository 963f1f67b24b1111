"""The summary without a model: sentences of the transcript, chosen; chapters and tags by its terms."""
