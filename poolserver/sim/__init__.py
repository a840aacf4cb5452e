"""Simulated rigs: they speak Stratum to a pool and really hash, on the CPU.

``fleet`` says which rigs there are, ``rig`` is one of them without any I/O, ``search`` hashes,
``miner`` is a rig's connection, ``cpu`` shares the processor among them, ``site`` is all of them
together and ``command`` the program around it.
"""
