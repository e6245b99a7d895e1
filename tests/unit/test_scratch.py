"""Scratch space: it is its owner's while the owner lives, and nothing stays of it afterwards."""

import fcntl
import threading
from pathlib import Path

import pytest

from kinetoscope.kernel.scratch import claim_scratch, sweep_scratch


def test_what_is_claimed_stays_until_it_is_let_go(tmp_path: Path):
    folder, lock = claim_scratch(tmp_path)
    (folder / "file").write_text("ours")
    sweep_scratch(tmp_path)
    assert (folder / "file").exists()
    lock.close()
    sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_between_a_lock_file_and_its_lock_takes_nothing_that_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    flock, sweeps = fcntl.flock, iter(range(3))

    def late(file: object, how: int) -> None:
        """Lock as always, after somebody else's sweep."""
        if how == fcntl.LOCK_EX and next(sweeps, None) is not None:
            sweep_scratch(tmp_path)
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    folder, lock = claim_scratch(tmp_path)
    assert next(sweeps, None) is None
    assert folder.with_suffix(".lock").exists()
    sweep_scratch(tmp_path)
    assert folder.exists()
    lock.close()
    sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_claims_and_sweeps_at_once_lose_nothing(tmp_path: Path):
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            sweep_scratch(tmp_path)

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    try:
        claimed = [claim_scratch(tmp_path) for _ in range(300)]
    finally:
        done.set()
        for sweeper in sweepers:
            sweeper.join()
    for folder, lock in claimed:
        assert folder.exists()
        assert folder.with_suffix(".lock").exists()
        lock.close()
    sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_lock_file_is_gone_is_nobodys(tmp_path: Path):
    """As when a sweep ended half-way; what is not scratch space is left alone."""
    folder, lock = claim_scratch(tmp_path)
    lock.close()
    folder.with_suffix(".lock").unlink()
    (folder / "file").write_text("left")
    (tmp_path / "uploads").mkdir()
    sweep_scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]
