"""Stages and loaders at work: how they are stepped, on which partitions, whether they live."""
