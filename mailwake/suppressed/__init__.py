"""Who is suppressed, as commands and callers ask and change it."""
