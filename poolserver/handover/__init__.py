"""From one process of the pool to the next: rigs' connections, and all that is known of them.

upgrade, heir   the old process's part, and the new one's
state           what they say to each other
talk, passing   how: messages and file descriptors, over a Unix socket
giving, taking  a worker process, as what is known of it; and one that goes on with that
reload          a handover to the same program with a new configuration
succession      how this process came to be the pool, and who comes after it
service         what the service manager is told
init            the first process of a container, which stays
"""
