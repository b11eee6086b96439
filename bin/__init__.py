"""Verbs: python -m bin.<verb>."""
