"""What people and programs are shown of the running pool, whoever asks: page, API or command line.

It looks and changes nothing. ``view`` has the shapes; what they are filled from stands beside it.
"""
