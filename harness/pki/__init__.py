"""Certificates and keys of one run: made for it, and forgotten with it."""
