"""Every hosted provider that the conformance suite is run against."""

from tests.providers import (
    wire_byteplus,
    wire_elevenlabs,
    wire_fal,
    wire_faulty,
    wire_google,
    wire_kie,
    wire_kinovi,
    wire_openai,
    wire_openai_media,
    wire_replicate,
    wire_runway,
)
from tests.providers.case import Case

CASES: tuple[Case, ...] = (
    *wire_byteplus.CASES,
    *wire_elevenlabs.CASES,
    *wire_fal.CASES,
    *wire_faulty.CASES,
    *wire_google.CASES,
    *wire_kie.CASES,
    *wire_kinovi.CASES,
    *wire_openai.CASES,
    *wire_openai_media.CASES,
    *wire_replicate.CASES,
    *wire_runway.CASES,
)
