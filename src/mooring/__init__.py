"""Mooring ties a deployed AI model to evidence that a stranger can verify offline."""

__all__ = ["__version__"]

__version__ = "0.1.0"
