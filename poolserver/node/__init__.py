"""Talking to Bitcoin nodes: RPC, templates in, blocks out."""
