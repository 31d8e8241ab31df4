"""A machine from outside: its streams, its evidence, and the watch that judges it."""
