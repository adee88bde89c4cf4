"""Who is not to be mailed any more: what speaks for and against it, and what follows."""
