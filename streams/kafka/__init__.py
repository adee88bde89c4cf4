"""The log in Kafka, its partitions shared out among workers."""
