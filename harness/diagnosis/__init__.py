"""What a machine's streams say: lines, phases, and rules that tell trouble by name. Pure."""
