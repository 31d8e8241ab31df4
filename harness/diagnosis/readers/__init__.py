"""Readers of a machine's streams: text as it arrives in, lines out, each with its boot and time."""
