"""What the configs of installers do, read from their text."""
