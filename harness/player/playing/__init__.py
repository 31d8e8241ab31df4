"""One play of a scenario: its stage, machines, progress and pause."""
