"""Weights as files: how they are stored, and how a domain's networks are built from them."""
