"""Measured claims: ours and the peer in one run on one machine, as ratios. `python -m benchmarks [name ...]`."""
