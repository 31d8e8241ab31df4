"""One file per way a node comes up, and the stages they share."""
