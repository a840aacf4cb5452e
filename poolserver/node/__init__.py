"""Talking to Bitcoin nodes: RPC, templates in, blocks out.

rpc, checks       calls to one node, and what it must be to be mined on
muster            which nodes are there at the start
health, chains    how one does, and the end of its chain
heard             what one has told: its newest template, its tip: pure
template_source   asks one for templates, and listens to it
stopgap           work for the time until a new tip's first template
views, gate       all of them at one moment, and whose templates go out: pure
splits            nodes that disagree, or are behind: pure
group             all of them as one source of templates
proving           templates that a node has looked at as blocks
spool, offer      found blocks on the disk; one offered to one node
submitter         a found block to every node, until the word on it is final
follower          what becomes of our blocks
process           a bitcoind of our own, for demo and tests
"""
