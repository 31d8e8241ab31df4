"""What a run takes from the host, and how all of it is given back, however the run ends."""
