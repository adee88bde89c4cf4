"""Who is suppressed, for whoever asks before each message."""
