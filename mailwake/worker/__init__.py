"""A worker on a log in Kafka."""
