"""The history of runs: its file, and trends over its runs."""
