"""Templates become jobs, jobs become shares: the pool's domain, without I/O."""
