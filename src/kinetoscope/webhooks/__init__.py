"""Telling receivers how tasks ended: written down with the end, signed, sent until it arrives."""
