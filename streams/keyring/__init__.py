"""Keyrings: where tenants' keys are kept, apart from the log."""
