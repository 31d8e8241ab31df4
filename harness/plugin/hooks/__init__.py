"""The hooks of pytest and xdist, a module for each part of a run; `specs` are our own hooks."""
