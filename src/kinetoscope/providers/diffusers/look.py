"""A process that says whether torch starts and the devices are there, and ends.

Run as `python -m kinetoscope.providers.diffusers.look PARENT DEVICE ...`.
"""

import json
import signal
import sys
from importlib import import_module

from kinetoscope.kernel.lifeline import end_with_parent


def device_says(device: str) -> str:
    """Return what a device is; raises whatever torch raises where it cannot be used."""
    torch = import_module("torch")
    import_module("diffusers")
    if device == "mps" and not torch.backends.mps.is_available():
        raise RuntimeError("there is no Metal device")
    torch.zeros(1, device=device).add_(1)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return f"torch {torch.__version__} on {name}"


def main() -> None:
    """Look at every device named."""
    parent, *devices = sys.argv[1:]
    # It hears nobody, and a device that hangs would keep it for ever.
    end_with_parent(int(parent), signal.SIGKILL)
    try:
        said = {device: device_says(device) for device in devices}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
        event: dict[str, object] = {"unusable": f"{type(error).__name__}: {error}"[:2000]}
    else:
        event = {"ready": said}
    sys.stdout.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    main()
