"""Continuous batching: many requests, one decoding thread, token ids only."""
