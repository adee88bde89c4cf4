"""Where events come from: files and folders, and the simulator."""
