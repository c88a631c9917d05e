"""Bytes that we keep and can delete, behind ports."""
