"""Kill one process of a run at a random moment, and count what is left when all has settled.

`tox -e kills -- --kills 100`. The run has namespaces of its own, so that whatever is left in them
is the run's.
"""
