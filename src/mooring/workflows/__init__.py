"""Verbs: the steps of a deployment, in order, over ports."""
