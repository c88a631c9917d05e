"""What is said: statements, predicates, manifests, canonical bytes, digests, chain-agnostic ids."""
