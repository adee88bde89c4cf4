"""`mailwake tail`: mail servers' logs followed, as the settings want it."""
