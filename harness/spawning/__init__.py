"""Nodes that a user keeps to look at: the command `spawn`, and those for nodes that are up."""
