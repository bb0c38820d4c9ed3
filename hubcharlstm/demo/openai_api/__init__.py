"""Completions and models as OpenAI's clients ask for them, under `/v1`."""
