"""What a history of runs says: the file that holds it, and trends over its runs."""
