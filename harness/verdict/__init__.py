"""Expectation tables, and the findings where a node does not meet them."""
