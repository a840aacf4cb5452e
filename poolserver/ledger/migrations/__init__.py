"""The store's schema: for each kind of database its own steps, one numbered SQL file each.

A file that was released never changes. A step comes in both kinds: they differ in how a column is
declared and in nothing else (a test compares them).
"""
