"""A real Kafka broker on this machine, without Docker: `broker` starts one."""
