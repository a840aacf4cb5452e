"""Templates become jobs, jobs become shares: the pool's domain, without I/O.

template, transactions
                      what a node says the next block may hold
source                where templates come from, as the pool sees it
payout, outputs, coinbase
                      whom a block pays, and the transaction that does it
job, registry         a template as rigs work on it; the jobs that shares may come for
extranonce, identity  the part of the work that is one connection's, and one process's
miner                 one connection as the pool sees it
accounts, password    who a rig says it is, and what it asks for
firmware              what it can take, by the name that it gives itself
vardiff, rate_estimate
                      its difficulty, and how fast it proves work
share                 what became of a submitted share
lost                  sessions whose connection was lost, kept for a while
job_state, miner_state
                      jobs and connections on their way to another process
"""
