"""Who posted a webhook: signatures and freshness, as each provider documents them."""
