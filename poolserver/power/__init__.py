"""From proven work to hashrate, watts and joules, each with its error. Pure.

Units: work in hashes, hashrate in H/s, power in W, efficiency in J/TH (which is pJ per hash),
energy in exact picojoules inside and whole joules outside.

tree                    what power flows through: programme, sites, feeders, racks
uncertain, poisson      a quantity with its error; intervals of sums of shares
models, rating, rater   what a rig's hashes cost, by the best that is known of it
rig_book                who the rigs are, and where
places, name_pattern, rig_rules
                        by what that is known
site, energy            what hashes take at a site; the energy of proven work
windows, estimate, estimator
                        rates over a window: of one rig, and of every node
silence                 rigs that send nothing any more
readings, registers, counter, energy_meter
                        what meters say, and what of it is believed
calibration             what a meter teaches of the ratings below it
ai_loads                what the AI halls draw
belief                  what each node is believed to draw, by all of that
signal, schedule, budget
                        words of others, the calendar, and what each node may draw now
tariff, break_even      what energy costs, and what hashing is worth
state                   what passes between all these

``control`` decides what is to be done, ``signals`` brings in what others say (I/O).
"""
