"""Pure values and parsers; imports no other room and no third party."""
