"""What a process says of itself while it runs."""
