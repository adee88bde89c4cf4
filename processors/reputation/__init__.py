"""Reputation: every mail event once, counted by identity, mailbox provider and minute, folded into buckets.

Records become deltas in `counting`: `clock` says how far the partition has come, `admission` drops repeats,
`combine` counts. Deltas become buckets in `fold`: `grains` says which, `identities` numbers whose, `buckets`
holds them. `packing` makes records of what a flush emits, `stage` makes it all run, `rates` reads the counts.
"""
