"""The seam between worker processes and the coordinator: two streams of messages."""
