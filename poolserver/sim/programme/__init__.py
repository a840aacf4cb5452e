"""A programme of sites in simulated time: what is true of them, and what the pool makes of it.

The truth is ``fleets`` (rigs, in cohorts of alike ones), ``ai_halls`` and ``outages``, put
together by ``world``. The pool sees of it what ``shares`` and ``meters`` let through. ``pool``
has the pool's own parts, driven as they are at run time; ``run`` lets both run side by side,
``report`` holds them against each other and ``plot`` draws a day.

Needs numpy: ``pip install "poolserver[simulation]"``. Nothing reads a clock; one seed, one day.
"""
