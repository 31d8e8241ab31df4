"""One file for each way a node comes up; `flows` has what several share."""
