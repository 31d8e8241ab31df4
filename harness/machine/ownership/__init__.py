"""What a run takes from the host, and how all of it is released, however the run ends."""
