"""Records a run while it goes on: its folder, its tests, its files."""
