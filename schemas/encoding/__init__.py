"""How records become bytes and frames: the machinery under `schemas.codec` and `schemas.columns`."""
