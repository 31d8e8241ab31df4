"""What is wrong in CoreOS stream metadata."""
