"""Accounts and the keys they hold."""
