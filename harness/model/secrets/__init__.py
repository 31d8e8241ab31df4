"""Find secrets in texts and remove them."""
