"""DOOR: the native contract, the only place with its JSON names."""
