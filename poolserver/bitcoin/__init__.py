"""Consensus primitives: targets, scripts, addresses, headers, merkle trees, blocks; no I/O."""
