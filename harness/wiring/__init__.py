"""From the options that a user gives to the rooms that do the work; for plugin and cli alone."""
