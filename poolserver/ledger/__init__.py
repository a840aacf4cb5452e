"""Who did which work: the share journal, its fold into exact totals, and their store.

Pure: ``records`` (the journal's bytes), ``totals`` and ``fold`` (what they add up to).
I/O: ``segment`` and ``journal`` (files, written by a worker process), ``migrate`` and
``store`` (SQLite, written by the coordinator).

What can go wrong, one tree::

    LedgerError
    +-- TornTail        the bytes of a record are damaged or end too early
    +-- SequenceGap     records are missing between what was folded and what came
    +-- UnknownWorker   a share of a worker that its journal never declared
    +-- JournalError    a journal file cannot be made, or records could not be saved
    +-- StoreError      the database cannot be read or written
"""
