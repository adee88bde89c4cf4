"""Stages as Faust workers."""
