"""What operators see and do: everybody, everything, and the books."""
