"""What is known, answered over HTTP: suppressions, messages, health."""
