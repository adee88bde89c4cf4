"""A spool before a log in Kafka: it takes emits while no broker answers."""
