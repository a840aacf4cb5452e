"""What benchmarks of the whole pool stand on: a made-up node, the pool, a crowd of rigs.

Each is a process of its own on loopback, so that what the pool costs is the pool's alone.
"""
