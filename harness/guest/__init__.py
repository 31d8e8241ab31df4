"""Ignition pieces: what is added to a machine's config, and the guest's own programs in it."""
