"""Webhooks of twelve ESPs to our vocabulary: what each event says is a table, and one engine reads them all."""
