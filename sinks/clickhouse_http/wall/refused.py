"""What the wall says no with."""


class Refused(Exception):
    """The statement is not on the list of what is allowed; the message says which part of it."""
