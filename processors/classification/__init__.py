"""What a receiver's reply means: rules as data, and the mailbox provider behind an MX."""
