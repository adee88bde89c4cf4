"""Log files of mail servers, followed as they grow and are rotated; each line's events once."""
