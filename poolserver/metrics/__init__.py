"""Everything that Prometheus is told, read from plain numbers at each scrape.

Each family is declared once, in the module that fills it; see ``families`` and ``reference``.
"""
