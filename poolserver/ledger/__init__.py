"""Who did which work: the share journal, its fold into exact totals, and their store.

The journal, written by worker processes:

records, payout_records
                        its records, as bytes
journal, held, waiting  what a worker writes down, holds until it is safe, and who waits for that
segment, chain, source_lock, wall_clock
                        its files, whose they are, and the time that shares get
journal_files, journal_reader, scan
                        which there are, what they hold, and what of a damaged one
retention, pruner       which may go, and how they do

The books, kept by the coordinator:

delta, totals, fold     what records add up to: pure
keeper                  keeps them: once a second in memory, every ten in the store
saver, unsaved          gives the store what it lacks, each part once
catch_up, refill        what the journal has beyond the books, or beyond a store that has gone back
store                   the books in a database
share_sql, block_sql, reward_sql, meter_sql, rig_sql, mapping_sql, budget_sql, energy_sql
                        its statements
database, sqlite, postgresql, watchdog, migrate, backup
                        which one, its schema, a copy of it
blocks, window, debts, rewards, luck
                        the life of blocks, and what there is to pay by
energy, energy_facts, energy_close, energy_report
                        the energy ledger

For whoever checks them:

days, seal_sql, interval_reader, audit, audit_sql, auditor
                        days are closed and signed
netstrings, merkle, signing
                        with what
verify, chain_check, sum_check, journal_check, energy_verify
                        what a check looks at
findings, coverage, rebuild
                        what it finds, from when on; the ledger made once more
proof, export, export_files
                        what others are given

What can go wrong, one tree::

    LedgerError
    +-- TornTail        the bytes of a record are damaged or end too early
    +-- SequenceGap     records are missing between what was folded and what came
    +-- UnknownWorker   a share of a worker that its journal never declared
    +-- JournalError    a journal file cannot be made, or records could not be saved
    +-- StoreError      the database cannot be read or written
"""
