"""ClickHouse's own HTTP interface over the embedded engine, read-only, for whatever speaks to a ClickHouse server.

`server` listens, `handler` answers a request, `wall` says which statements may run, `settings` which settings may
be changed and how much a query may use, `execution` runs them as streams.
"""
