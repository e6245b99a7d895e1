"""The clients of the matrix: how each says things, and what it cannot be asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OPENAI_VIDEO = {"seconds": "4", "size": "864x496"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """A client. States are its own words; `cannot` tells why a story is not its.

    `model` and `inputs` make what its tasks make; `runs` what its blocking call makes.
    """

    title: str
    driver: str
    model: str
    runs: str
    success: str
    failed: str
    cancelled: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    run_inputs: Mapping[str, object] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)


NO_VERIFIER = "its makers publish no verifier; checked as its documentation says"

OPENAI = Sdk(
    title="openai (Python)",
    driver="openai_py",
    model="seedance2.0-mini",
    inputs=OPENAI_VIDEO,
    runs="gpt-image-2",
    success="completed",
    failed="failed",
    cancelled="failed",
    cannot={"stream": "its videos are polled; streams of images are refused"},
)
OPENAI_JS = Sdk(
    title="openai (JavaScript)",
    driver="openai_js",
    model="seedance2.0-mini",
    inputs=OPENAI_VIDEO,
    runs="gpt-image-2",
    success="completed",
    failed="failed",
    cancelled="failed",
    cannot=OPENAI.cannot,
)
REPLICATE = Sdk(
    title="replicate 1 (Python)",
    driver="replicate_py",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="succeeded",
    failed="failed",
    cancelled="canceled",
)
REPLICATE_2 = Sdk(
    title="replicate 2 beta (Python)",
    driver="replicate2_py",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="succeeded",
    failed="failed",
    cancelled="canceled",
)
REPLICATE_JS = Sdk(
    title="replicate (JavaScript)",
    driver="replicate_js",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="succeeded",
    failed="failed",
    cancelled="canceled",
)
FAL = Sdk(
    title="fal-client (Python)",
    driver="fal_py",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="COMPLETED",
    failed="COMPLETED",
    cancelled="COMPLETED",
    cannot={"list": "it has no list of requests"},
)
FAL_JS = Sdk(
    title="@fal-ai/client (JavaScript)",
    driver="fal_js",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="COMPLETED",
    failed="COMPLETED",
    cancelled="COMPLETED",
    cannot={"list": "it has no list of requests"},
)
KIE = Sdk(
    title="kie.ai (HTTP)",
    driver="kie_py",
    model="gpt-image-2",
    runs="gpt-image-2",
    success="success",
    failed="fail",
    cancelled="fail",
    cannot={
        "stream": "it has no streams",
        "cancel": "it has no way to cancel",
        "list": "it has no list of tasks",
    },
)

SDKS = (OPENAI, OPENAI_JS, REPLICATE, REPLICATE_2, REPLICATE_JS, FAL, FAL_JS, KIE)
