"""The store's schema, one numbered SQL file a step; a file that was released never changes."""
