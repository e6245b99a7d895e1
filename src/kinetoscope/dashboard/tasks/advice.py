"""What somebody can do about a task that failed, by the error's code and words. Pure.

https://kinovi.ai/docs/common/error-handling
"""

from dataclasses import dataclass
from typing import Literal

from kinetoscope.tasks.task import Failure

Action = Literal["again", "edit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A headline, what to do, and whether to send the same again or to change it first."""

    title: str
    text: str
    action: Action


REWORD = Advice(
    title="The prompt was refused",
    text=(
        "The provider's rules do not allow what the prompt says. Describe the same scene without "
        "violence, nudity, brands or names of real people, and run it again."
    ),
    action="edit",
)
FACE = Advice(
    title="A real person was recognised",
    text=(
        "The provider does not work with faces of real people. Use another picture or clip: a "
        "drawing, an illustration, or one on which no face can be made out."
    ),
    action="edit",
)
BLOCKED = Advice(
    title="The content was refused",
    text=(
        "The provider's moderation stopped this. Change the prompt or the reference media so that "
        "nothing in them breaks its rules, and run it again."
    ),
    action="edit",
)
REFERENCE = Advice(
    title="A reference could not be used",
    text=(
        "Open the reference's address in a private window: it must lead straight to the file, "
        "without signing in. Or upload the file in the studio. Then run the task again."
    ),
    action="edit",
)
PARAMETER = Advice(
    title="The inputs do not fit together",
    text=(
        "The reference media is not what this model takes, as the message says: too long, too "
        "small, or of the wrong kind. Change that input and run the task again."
    ),
    action="edit",
)
LATE = Advice(
    title="It took too long",
    text=(
        "No result came in time. Run it again; a shorter clip or a lower resolution is made "
        "sooner. If it happens often, the status page shows whether a provider is slow."
    ),
    action="again",
)
BUSY = Advice(
    title="The provider was not available",
    text="This passes by itself. Run the same task again in a minute or two.",
    action="again",
)
NOBODY = Advice(
    title="No provider makes this just now",
    text="Choose another model, or ask whoever runs this server to set up a provider for it.",
    action="edit",
)
UNFETCHED = Advice(
    title="The result could not be fetched",
    text="It was made, but its file never arrived here. Run the same task again.",
    action="again",
)
UNKNOWN = Advice(
    title="The provider's answer was lost",
    text=(
        "Nobody can tell whether the provider began, so nothing was charged, and nothing was sent "
        "twice. Run the same task again."
    ),
    action="again",
)
CANCELLED = Advice(
    title="You cancelled this task",
    text="Nothing was charged. Run it again whenever you like.",
    action="again",
)
OTHER = Advice(
    title="The task failed",
    text="Run the same task again. If it fails once more, change the prompt or the inputs.",
    action="again",
)

BY_CODE = {
    "2038": REWORD,
    "4011": FACE,
    "banned_prompt_words": REWORD,
    "asset_review_failed": REFERENCE,
    "InvalidParameter": PARAMETER,
    "submit_unknown": UNKNOWN,
    "cancelled": CANCELLED,
}

BY_WORDS = (
    ("facedetect", FACE),
    ("moderation", BLOCKED),
    ("copyright", BLOCKED),
    ("sensitive", BLOCKED),
    ("image filter", BLOCKED),
    ("timed out", LATE),
    ("took too long", LATE),
    ("download", REFERENCE),
    ("could not be fetched", UNFETCHED),
    ("no provider", NOBODY),
    ("unavailable", BUSY),
    ("capacity", BUSY),
    ("parameter", PARAMETER),
)
"""Codes 500 and 1001 stand for many reasons; then the message tells them apart, the first wins."""


def advice_for(failure: Failure) -> Advice:
    """Return what to do about a failure."""
    known = BY_CODE.get(failure.code)
    if known is not None:
        return known
    message = failure.message.lower()
    return next((advice for words, advice in BY_WORDS if words in message), OTHER)
