"""What several scenarios share: the configs and steps of one way to come up."""
