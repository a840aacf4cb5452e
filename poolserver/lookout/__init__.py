"""What people and programs are shown of the running pool, whoever asks: page, API or command line.

It looks and changes nothing.

view                  the shapes of it all
overview, figures     the pool, its sites and nodes now
troubles, thresholds, lately
                      what is wrong, from where on, and by what was of late
rigs, rig_index       lists of rigs
blocks                found blocks, and the luck
history, keeper       series over time, and how they outlive a restart
broadcast             who looks on, told as it changes
"""
