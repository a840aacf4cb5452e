"""A programme of sites in simulated time: what is true of them, and what the pool makes of it.

What is true:

fleets, ai_halls    rigs, in cohorts of alike ones; what the AI halls draw
world               a site's machines together, and which of them are out

What the pool sees of it:

shares, meters      the work that was proven, and what meters say
counters            the meters' counters over a whole run
watched             a sample of rigs one by one, for those that fall silent
pool                the pool's own parts, driven as they are at run time

What comes of both:

run                 both side by side
overruns, energy    how soon an overrun shows, and how far energy by work is off
record, report      what is kept, and how it is held against the truth
plot                a day, drawn
command             ``poolserver simulate programme``

Needs numpy: ``pip install "poolserver[simulation]"``. Nothing reads a clock; one seed, one day.
"""
