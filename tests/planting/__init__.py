"""Secrets planted in the inputs of a run, and the search for them in all that it leaves."""
