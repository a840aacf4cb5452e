"""What is known of the sites' power as it goes on, fed by the ledger, meters and signals.

desk              what is made of all that is known, once a tick: pure, in a thread of its own
room              the desk at work: it does the waiting
books             what those outside have said, and how it stands at a moment
mapping_desk      where rigs are, as people say it
news              what is worth a line in the log
view, detail      what operators are shown: of the tree, and of one node
rig_keeper, word_keeper, energy_keeper
                  what is saved: rigs, words, closed intervals
legacy            what outlives this process, as bytes
outfit, meter_outfit, budget_outfit, tariff_outfit
                  all this, made of the configuration
"""
