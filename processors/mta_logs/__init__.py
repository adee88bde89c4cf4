"""The logs of mail servers, a line at a time, to events: Postfix, KumoMTA, PowerMTA, Haraka."""
