"""Pure values and parsers; imports nothing of the harness above it and no third party."""
