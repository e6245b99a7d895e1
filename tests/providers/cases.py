"""Every hosted provider that the conformance suite is run against."""

from tests.providers import wire_byteplus, wire_faulty
from tests.providers.case import Case

CASES: tuple[Case, ...] = (
    *wire_byteplus.CASES,
    *wire_faulty.CASES,
)
