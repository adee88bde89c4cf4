"""The domain, pure: parsing, admission, counting, reputation."""
