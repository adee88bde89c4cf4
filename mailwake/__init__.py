"""mailwake: everything that happens to your mail is an event in a log."""
