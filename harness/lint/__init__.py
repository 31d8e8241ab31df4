"""What an Ignition config calls that a bootimage lacks."""
