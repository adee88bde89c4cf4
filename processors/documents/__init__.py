"""Documents: unpacking what came in and saying what each is, as events with an outcome."""
