"""What a scenario is, as data, and the player that brings its machines up step by step."""
