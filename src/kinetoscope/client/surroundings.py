"""What the environment says: where the server is, and with which key.

This and the server's `settings.py` are the only two places that read it: the client imports nothing
of the server's.
"""

import os

KEY = "KINETOSCOPE_KEY"
URL = "KINETOSCOPE_URL"

URL_DEFAULT = "http://127.0.0.1:8000"


def stated(name: str) -> str:
    """Return a variable's text without spaces around it; empty where it is not set."""
    return os.environ.get(name, "").strip()  # noqa: TID251 - the client has no settings.py
