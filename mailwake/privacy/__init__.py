"""Personal data: told, taken out, forgotten."""
