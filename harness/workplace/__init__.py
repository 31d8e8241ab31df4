"""What one process opens: options, checked inputs, the run and its registry."""
