"""Where the log ends up: the ClickHouse warehouse and its HTTP interface."""
