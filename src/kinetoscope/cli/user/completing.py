"""Completion of models' ids in the shell: asks the server, and gives up quickly."""

from kinetoscope.client import ClientError, Kinetoscope

PATIENCE_S = 2.0


def model_ids(incomplete: str) -> list[str]:
    """Return the ids that begin like this; none where the server does not answer."""
    try:
        with Kinetoscope(timeout_s=PATIENCE_S, retries=0) as client:
            return [model.id for model in client.models() if model.id.startswith(incomplete)]
    except ClientError:
        return []
