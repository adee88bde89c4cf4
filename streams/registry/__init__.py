"""Schemas by id, as a registry of schemas keeps them."""
