"""Expectations, findings and reports: what was promised, what was seen, and from where."""
