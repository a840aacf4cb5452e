"""From where on something is a trouble, and why from there: the live page's and the alerts'.

The alerts (configs/prometheus/poolserver.rules.yml) have the same numbers in their expressions,
where an operator may change them for a site; a test holds the two together. The page tells at once
what an alert tells after its ``for``.
"""

STALE_S = 60.0
"""As readiness has it: templates are confirmed every 15 s."""
LAG_S = 30.0
"""Books fold once a second; by half a minute they are not slow but stuck."""
UNSETTLED_S = 60.0
"""A node answers within seconds; one that takes in a large block, within a minute."""
UNSPOOLED_S = 5.0
"""A disk takes a block in milliseconds. On a private network, where several are found a second, one
is on its way whenever somebody looks."""

DISK_FREE_BYTES = 2 << 30
"""The journal of 10,000 rigs at 12 shares a minute (85 bytes each) grows by 15 GB a day: what is
left is hours."""
DISK_FREE = 0.05
DISK_SOON_S, DISK_SOON_FREE = 4 * 3600.0, 0.2
DISK_LATER_S, DISK_LATER_FREE = 4 * 86_400.0, 0.5
"""Full by then as it goes, and no more than that part of it free: of more, a burst is no trend."""

CERTIFICATE_S = 14 * 86_400.0
"""Those that are renewed by themselves are so a month before their end."""
CERTIFICATE_URGENT_S = 2 * 86_400.0

DROP = 0.8
DROP_SIGMAS = 4.0
"""Of five minutes against six hours: beyond luck, which is looked at a thousand times a day."""
UNEXPLAINED = 0.2
"""Of a site's budget, drawn with no work to show for it: as much as a drop that is told. Less may
be ratings that are off, or what rigs draw that were told to sleep."""
ORDER_S = 1800.0
"""For so long after a limit has risen a site is coming back."""

REJECTED = 0.03
REJECTS_S, REJECTS_OF = 900.0, 400
"""Of fewer shares a ratio is luck: 3% of 400 are 12, and 4 (1%) are usual where rigs are far."""

SILENT = 0.02
SILENT_RIGS = 5
"""Single rigs hang every day."""

AT_LIMIT = 0.005
"""The controller holds 1 to 2% (its dead band): less is more than it can account for."""
OVER_SIGMAS = 2.0
RESIDUAL = 0.05
RESIDUAL_SIGMAS = 3.0
FIRST_READING_S = 120.0
"""A meter that is told by HTTP may be told once a minute."""
