"""Configs and steps that several scenarios share."""
