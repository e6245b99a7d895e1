"""Kinetoscope: a self-hosted media-generation API platform."""

__version__ = "0.1.0"
