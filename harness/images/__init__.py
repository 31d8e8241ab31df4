"""Bootimages and node images: acquire, verify, cache, serve; imports `model` only."""
