"""The HTTP intake as a process runs it."""
