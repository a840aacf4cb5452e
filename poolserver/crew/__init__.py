"""The worker processes of a pool that has several, and the coordinator's side of them.

berths           who mines, who is to be started again and when: pure
tally            the counts of all workers, of the dead ones too: pure
presence         which rigs are connected, to whichever worker: pure
lock             which worker, and which coordinator, lives: a lock ends with its process
post             the socket in the data folder, and its address
hub              the coordinator's end of all links
spools           found blocks of workers that there are no more
addresses        the listeners' addresses, held by the coordinator for all
crew             starts workers, sees them end, starts them again; stops them all
alone            the one worker of a pool in one process, with the same face
worker_process   the other end: the life of a worker process
uplink           its end of the link
"""
