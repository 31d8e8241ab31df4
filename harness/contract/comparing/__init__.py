"""What changed between two images or releases."""
