"""Reputation: every mail event once, counted by identity, mailbox provider and minute, folded into buckets.

`clock` says how far a partition has come, `admission` drops repeats, `combine` counts a batch, `fold` keeps
the buckets (`grains`, `buckets`, `identities`), `rates` reads them, `stage` makes them run.
"""
