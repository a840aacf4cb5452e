"""The steps of this kind of database."""
