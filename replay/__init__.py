"""Rebuild, verify and swap generations of the warehouse from the log."""
