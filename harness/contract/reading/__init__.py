"""Reads images and bootimages: in part, in whole, and what they say of themselves."""
