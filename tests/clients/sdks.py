"""The clients of the matrix: how each says things, and what it cannot be asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OPENAI_VIDEO = {"seconds": "4", "size": "864x496"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """A client. States are its own words; `cannot` tells why a story is not its.

    `notes` tell what it needs for one. `model` and `inputs` make what its tasks make; `runs` what
    its blocking call makes. A call is so many `posts`. One that `repeats`
    sends again what was lost or met a 503, and comes through.
    """

    title: str
    driver: str
    model: str
    runs: str
    success: str
    failed: str
    cancelled: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    posts: int = 1
    repeats: bool = False
    run_inputs: Mapping[str, object] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


NO_VERIFIER = {"webhook": "its makers publish no verifier; checked as its documentation says"}
POSTS_OF_A_SESSION = 3
"""Two of a handshake, and the call."""

NAMED = {"lost_answer": "with an Idempotency-Key; without one each try of the client's is a task"}

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
    repeats=True,
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
    repeats=True,
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
    notes=NO_VERIFIER,
    repeats=True,
)
REPLICATE_JS = Sdk(
    title="replicate (JavaScript)",
    driver="replicate_js",
    model="kinetoscope/gpt-image-2",
    runs="kinetoscope/gpt-image-2",
    success="succeeded",
    failed="failed",
    cancelled="canceled",
    notes=NAMED,
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
    notes={**NO_VERIFIER, **NAMED},
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
    notes={**NO_VERIFIER, **NAMED},
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
    notes=NO_VERIFIER,
)

KINETOSCOPE = Sdk(
    title="kinetoscope.client (Python)",
    driver="kinetoscope_py",
    model="gpt-image-2",
    runs="gpt-image-2",
    success="success",
    failed="fail",
    cancelled="fail",
    repeats=True,
)

MCP = Sdk(
    title="mcp (Python)",
    driver="mcp_py",
    model="gpt-image-2",
    runs="gpt-image-2",
    success="success",
    failed="fail",
    cancelled="fail",
    cannot={
        "upload": "agents refer to addresses, or upload natively",
        "webhook": "agents give no addresses to call",
        "lost_answer": "a lost handshake comes first; tests/agents has the rest",
    },
    posts=POSTS_OF_A_SESSION,
)

SDKS = (KINETOSCOPE, OPENAI, OPENAI_JS, REPLICATE, REPLICATE_2, REPLICATE_JS, FAL, FAL_JS, KIE, MCP)
