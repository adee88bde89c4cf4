"""The command line. Each module is a command or a group of them, and imports what is heavy when it runs."""
