"""Avro as bytes: the machinery under `schemas.codec`, `framing`, `packed` and `columns`."""
