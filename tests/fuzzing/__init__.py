"""Hostile inputs for each reader of foreign data.

`tests/unit/test_fuzzing.py` tries some of each in seconds. `tox -e fuzz` is the long campaign.
"""
