"""What a test key can have played: each word, told in a sentence."""

from collections.abc import Mapping

from kinetoscope.providers.contract import Rehearsal

WORDS: Mapping[Rehearsal, str] = {
    Rehearsal.MODERATION: "fails at once with `2038`: the text violates the rules",
    Rehearsal.FACE: "fails at once with `4011`: a person's face was detected",
    Rehearsal.SERVER_ERROR: "fails at once with `500`: the service is unavailable",
    Rehearsal.TIMEOUT: "is generating for 30 seconds, then fails with `500`: it took too long",
    Rehearsal.SLOW: "is generating for 20 seconds, with progress, then succeeds",
    Rehearsal.DUPLICATE_WEBHOOK: "succeeds; its webhook comes twice, with the same id",
    Rehearsal.WEBHOOK_DOWN: "succeeds; the first three tries of its webhook fail",
}
