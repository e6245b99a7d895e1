"""Kinetoscope: a self-hosted media-generation API platform."""
