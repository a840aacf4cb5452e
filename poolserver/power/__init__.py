"""From proven work to hashrate, watts and joules, each with its error. Pure.

Units: work in hashes, hashrate in H/s, power in W, efficiency in J/TH (which is pJ per hash),
energy in exact picojoules inside and whole joules outside.
"""
