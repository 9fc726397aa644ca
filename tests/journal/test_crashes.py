"""No acknowledged record is lost, whatever the disk and the process do, and none is ever shown that was not written.

Each seed is several lives of one journal on a simulated disk: batches are written, writes and syncs fail now and then,
the process is killed or the power is cut at any operation, also during recovery. After each crash everything that was
acknowledged, or shown by an earlier recovery, must be there in order; beyond it only the batch that was on its way.
"""

import random

import pytest

from holdfast.journal.reader import JournalReader

from .helpers import DIRECTORY, group, names_in, new_writer, read_names
from .simulated_disk import SimulatedCrash, SimulatedDisk

SEEDS_A_TEST = 100


def live(seed: int) -> int:
    """Several lives; returns how many records there are in the end."""
    rng = random.Random(seed)
    disk = SimulatedDisk(seed)
    truth: list[str] = []
    on_the_way: list[str] = []
    number = 0
    for _ in range(rng.randint(2, 6)):
        disk.operations_left = rng.randint(1, 60)
        disk.fail_probability = rng.choice([0.0, 0.0, 0.1])
        try:
            writer = recovered(disk)
            found = read_names(disk)
            assert found in (truth, truth + on_the_way), f"seed {seed}"
            truth, on_the_way = found, []
            assert writer.chain.next_seq == len(truth) + 1
            while True:
                groups = []
                for _ in range(rng.randint(1, 3)):
                    groups.append(group(*(f"n{number + i}" for i in range(rng.randint(1, 2)))))
                    number += len(groups[-1]) // 192
                on_the_way = names_in(groups)
                write_until_done(writer, groups)
                truth, on_the_way = truth + on_the_way, []
        except SimulatedCrash:
            disk = disk.after_power_cut() if rng.random() < 0.5 else disk.after_kill()
    new_writer(disk).close()
    assert read_names(disk) in (truth, truth + on_the_way), f"seed {seed}"
    return len(truth)


def recovered(disk: SimulatedDisk):  # type: ignore[no-untyped-def]
    """A disk that refuses while a venue starts stops the start; it is tried again."""
    while True:
        try:
            return new_writer(disk)
        except OSError:
            disk.fail_probability = 0.0


def write_until_done(writer, groups) -> None:  # type: ignore[no-untyped-def]
    while True:
        try:
            writer.write(groups)
            return
        except OSError:
            continue


@pytest.mark.parametrize("first_seed", range(0, 500, SEEDS_A_TEST))
def test_every_acknowledged_record_survives_crashes_and_failing_disks(first_seed: int) -> None:
    assert sum(live(seed) for seed in range(first_seed, first_seed + SEEDS_A_TEST)) > SEEDS_A_TEST


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1_000, 11_000, 1_000))
def test_every_acknowledged_record_survives_thousands_of_runs(first_seed: int) -> None:
    assert sum(live(seed) for seed in range(first_seed, first_seed + 1_000)) > 1_000


def test_what_a_recovery_has_shown_survives_a_power_cut_after_a_failed_sync() -> None:
    """The kernel may show bytes of a failed sync that the disk does not have; recovery must not count on them."""
    for seed in range(50):
        disk = SimulatedDisk(seed)
        writer = new_writer(disk)
        writer.write([group("a")])
        disk.operations_left = 1
        with pytest.raises(SimulatedCrash):
            writer.write([group("b", "c")])
        disk = disk.after_kill()
        new_writer(disk).close()
        shown = read_names(disk)
        disk = disk.after_power_cut()
        new_writer(disk).close()
        assert read_names(disk) == shown


def test_a_reader_in_another_process_goes_on_behind_what_it_has_read() -> None:
    disk = SimulatedDisk()
    writer = new_writer(disk)
    reader = JournalReader(DIRECTORY, files=disk)
    for seq in range(1, 20):
        writer.write([group(f"n{seq}")])
        committed = reader.read()
        assert committed is not None
        assert committed.records["seq"].tolist() == [seq]
        assert reader.read() is None
    reader.close()


def test_a_reader_in_another_process_never_sees_a_batch_that_failed() -> None:
    disk = SimulatedDisk(1)
    writer = new_writer(disk)
    writer.write([group("a")])
    reader = JournalReader(DIRECTORY, 1, files=disk)
    assert reader.read() is not None
    disk.failure = 5
    with pytest.raises(OSError):
        writer.write([group("lost", "lost")])
    assert reader.read() is None
    disk.failure = 0
    writer.write([group("b")])
    committed = reader.read()
    assert committed is not None
    assert [record["client_id"] for record in committed.records] == [b"b"]
    reader.close()
