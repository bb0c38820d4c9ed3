"""Train and publish character LSTMs: `python -m training ...`."""
