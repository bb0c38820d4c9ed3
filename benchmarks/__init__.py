"""One runnable module per claim; results with their conditions stand in RESULTS.md."""
