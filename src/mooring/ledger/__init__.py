"""Commitments that we cannot edit alone, behind one port."""
