"""Certificates and keys, made for one run."""
