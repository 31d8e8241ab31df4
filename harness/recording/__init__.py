"""Records a run while it is running: its folder, its tests, its files."""
