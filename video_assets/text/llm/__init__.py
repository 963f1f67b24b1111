"""The summary by a language model: chunks, prompts, answers checked, within a budget and at a pace."""
