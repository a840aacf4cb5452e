"""The worker process: listeners, rigs' sessions, jobs out and shares in.

worker                 all of it, put together
terms                  what it is told, into the terms of its parts
reception, door        where rigs come in, and how a connection becomes a session
listening, plain_listening, tls, proxy_header
                       the ports, and what may stand before them
rig_wire               the sockets of plain rigs, the lane of their ordinary shares, and its books
session, answering     one rig's session: its shares, and whatever else it asks
house                  what a session needs of the process that it lives in
msgspec_codec          the JSON of the Stratum library, fast
fan_out, sweep         a job to all sessions; a look at all that send nothing
freshness              how good the work still is that rigs have
admission, conduct     who may connect, and how bad conduct ends: pure
guard                  both of them at work
block_desk             what is done with a found block
rig_roll, counting     what the coordinator is told: who is connected, and how the process stands
"""
