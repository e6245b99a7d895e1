"""Every identifier this project hands out: random, unguessable, one type each."""

import re
import secrets
from typing import NewType

AccountId = NewType("AccountId", str)
KeyId = NewType("KeyId", str)
TaskId = NewType("TaskId", str)

BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

TASK_ID_SHAPE = re.compile(r"(task_[0-9a-z]{8,40}|demo_task_[0-9a-z_]{1,40})")


def random_text(alphabet: str, length: int) -> str:
    """Draw `length` characters from the operating system's randomness, each equally likely."""
    return "".join([secrets.choice(alphabet) for _ in range(length)])


def random_base36(length: int) -> str:
    """Draw lower-case letters and digits; one bounded draw, since this runs on every createTask."""
    number = secrets.randbelow(36**length)
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 36)
        digits.append(BASE36[digit])
    return "".join(digits)


def new_task_id() -> TaskId:
    """`task_` and 24 lower-case letters and digits (124 random bits), as the contract has it."""
    return TaskId("task_" + random_base36(24))


def new_account_id() -> AccountId:
    """`acct_` and 20 lower-case letters and digits."""
    return AccountId("acct_" + random_base36(20))


def new_media_name() -> str:
    """Name a task's media: 26 random characters (134 bits), never derived from what users write."""
    return random_base36(26)


def is_task_id(text: str) -> bool:
    """Whether a text has the form of a task id at all; saves the database the question."""
    return TASK_ID_SHAPE.fullmatch(text) is not None
