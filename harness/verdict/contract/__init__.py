"""Judges images by the expectation table and by the contract between them, without a boot."""
