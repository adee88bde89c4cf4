"""Mails that tell what became of other mails: delivery status, bounces of every make, complaints, auto-replies."""
