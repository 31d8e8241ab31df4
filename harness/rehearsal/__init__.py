"""Play a scenario in memory, in a second: what its steps, configs, services and checks do.

Nothing boots. Machines write the least that shows each step, in the words of the guest's scripts,
and answer by SSH what a test prepared. Everything else is the real player.
"""
