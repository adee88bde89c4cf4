"""The log, the Emitter, and the runtime that drives processors over it."""
