"""Time of the hot paths beside peers, as ratios in one run: `python3 dev.py bench [name ...]`."""
