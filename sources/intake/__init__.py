"""What comes in over HTTP: events, documents, providers' webhooks. 2xx says that it is durable in the log."""
