"""What a run leaves while it goes on: its folder, its ledger of tests, its files."""
