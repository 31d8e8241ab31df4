"""What is secret, how it is found in texts, and how it is taken out of them."""
