"""Hide: envelope encryption and salted commitments."""
