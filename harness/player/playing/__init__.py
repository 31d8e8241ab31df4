"""How a play is made of a scenario: its stage, its machines, its progress and its stops."""
