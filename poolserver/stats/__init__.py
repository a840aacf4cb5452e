"""Statistics: hashrates with their error, rejects and best shares; they outlive a restart."""
