"""Origins: to which of them a provider's key may go. Pure."""

from urllib.parse import urlsplit

from kinetoscope.providers.adapter import Adapter, Site
from kinetoscope.providers.config import ProviderConfig


def origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def takes_key(adapter: Adapter, site: Site, url: str) -> bool:
    """Whether our key may go to an address: at the upstream's own origin, or that of its uploads.

    Addresses may be made of what an upstream answered, or what anybody told a callback.
    """
    told = site.options.get("upload_url")
    uploads = told if adapter.upload_url and isinstance(told, str) else adapter.upload_url
    return origin(url) in {origin(site.base_url), origin(uploads)}


def key_names(config: ProviderConfig, adapter: Adapter | None) -> tuple[str, ...]:
    """Return under which names a provider's key is looked for, in this order.

    The adapter's own is for the adapter's own place: at another address somebody else may listen.
    """
    own = config.key_name or config.name
    base_url = config.base_url
    if adapter is None or (base_url and origin(base_url) != origin(adapter.base_url)):
        return (own,)
    return tuple(dict.fromkeys((own, adapter.key_name)))
