"""The training package: `python -m training ...` from a checkout."""
