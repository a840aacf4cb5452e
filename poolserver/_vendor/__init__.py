"""Libraries that are kept in this tree and could each be lifted out of it.

``asyncio_stratum`` imports the standard library and itself, nothing of poolserver.
"""
