"""What runs mailwake and its neighbours: nothing here is imported by it."""
