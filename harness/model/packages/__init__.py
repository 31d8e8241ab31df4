"""Packages: their names, the order of their versions, and the metadata of repositories."""
