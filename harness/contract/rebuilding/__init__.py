"""Which layer of a node image is out of date, and which job must run."""
