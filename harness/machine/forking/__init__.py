"""Checkpoints of machines, and forks: machines that start from one in seconds."""
