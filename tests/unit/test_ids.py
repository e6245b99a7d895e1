"""Identifiers: their form, their alphabet, and that no two are the same."""

import re
from collections import Counter

from kinetoscope.kernel.ids import (
    BASE36,
    is_task_id,
    new_account_id,
    new_media_name,
    new_task_id,
    random_base36,
)
from kinetoscope.media.signing import MEDIA_NAME


def test_identifiers_have_the_form_that_is_promised():
    for _ in range(500):
        assert re.fullmatch(r"task_[0-9a-z]{24}", new_task_id())
        assert re.fullmatch(r"acct_[0-9a-z]{20}", new_account_id())
        assert re.fullmatch(r"[0-9a-z]{26}", new_media_name())


def test_no_two_are_the_same():
    assert len({new_task_id() for _ in range(20_000)}) == 20_000


def test_every_letter_is_about_as_likely_in_every_place():
    drawn = [random_base36(24) for _ in range(7200)]
    for place in range(24):
        counts = Counter(text[place] for text in drawn)
        assert set(counts) == set(BASE36)
        assert all(100 < count < 320 for count in counts.values())


def test_every_new_task_id_is_one_and_so_are_older_and_sample_ones():
    assert all(is_task_id(new_task_id()) for _ in range(500))
    for text in (
        "task_clabcdefghijklmnopqrstuvw",
        "task_00000000",
        "task_" + "z" * 40,
        "demo_task_t2v_success",
        "demo_task_fail_text_moderation",
    ):
        assert is_task_id(text), text


def test_nothing_else_is_a_task_id():
    for text in (
        "",
        "task_",
        "task_1234567",
        "task_" + "z" * 41,
        "task_ABCDEFGHIJKLMNOPQRSTUVWX",
        "task_0123456789abcdefghijklmn\n",
        " task_0123456789abcdefghijklmn",
        "xtask_0123456789abcdefghijklmn",
        "task_0123456789abcdefghijklm-",
        "task_0123456789abcdefghijklm\u0661",
        "demo_task_",
        "demo_task_" + "x" * 41,
        "acct_0123456789abcdefghij",
    ):
        assert not is_task_id(text), text


def test_every_name_that_a_task_gives_its_media_can_be_addressed():
    name = new_media_name()
    for ending in ("-1.mp4", "-1-last.png", "-16.jpg", "-4.webp"):
        assert MEDIA_NAME.fullmatch(name + ending)
    for wrong in ("", "-1", ".mp4/", "-1.mp4\n", "-1-2-3.mp4", "-1..mp4", "-1.MP4", "/../-1.mp4"):
        assert not MEDIA_NAME.fullmatch(name + wrong), wrong
