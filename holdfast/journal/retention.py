"""Retention: which segments and snapshots may go.

By default everything is kept. Otherwise the oldest segments go when they are too old or all of them are too large, and
whatever the policy says, these stay: the segment that is written; every record that the slowest reader has not passed;
the newest two whole snapshots that no reader is behind of, and every record after the older of them. So recovery always
has a snapshot to start from, and another one if that is damaged.
"""

import itertools
from pathlib import Path
from typing import NamedTuple

from holdfast.journal import snapshots
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.segments import Segment, list_segments, read_header
from holdfast.journal.watermark import Watermark

SNAPSHOTS_KEPT_MIN = 2


class RetentionPolicy(NamedTuple):
    """What to keep. 0: without limit."""

    age_ns_max: int = 0  # Of a segment's newest record.
    bytes_max: int = 0  # Of all segments together.
    snapshots_max: int = 4  # At least two are kept.


class Removed(NamedTuple):
    """What went."""

    segments: list[Path]
    snapshots: list[Path]


def apply(
    journal_directory: Path, snapshot_directory: Path, policy: RetentionPolicy, reader_seq: int, now_ns: int
) -> Removed:
    """Remove what the policy lets go. `reader_seq`: everything up to it was seen by every reader.

    Called in the venue's process, but not on the loop's thread: it reads snapshots. Raises JournalError, OSError.
    """
    found = snapshots.available(snapshot_directory)
    whole = _newest_whole(found, reader_seq)
    if len(whole) < SNAPSHOTS_KEPT_MIN:
        return Removed([], [])
    floor_seq = whole[-1].seq
    segments = list_segments(journal_directory, REAL_DISK)
    removed = _removable_segments(journal_directory, segments, policy, floor_seq, now_ns)
    first_seq = segments[len(removed)].first_seq if segments else 1
    old = [s for i, s in enumerate(found) if s.seq < floor_seq and (s.seq < first_seq - 1 or _is_beyond(i, policy))]
    # Snapshots first: one that the journal does not continue would only mislead.
    _remove(snapshot_directory, [snapshot.path for snapshot in old])
    _remove(journal_directory, removed)
    return Removed(removed, [snapshot.path for snapshot in old])


def _newest_whole(found: list[snapshots.Found], reader_seq: int) -> list[snapshots.Found]:
    """The newest two that are whole, byte for byte, and from which every reader can go on."""
    whole: list[snapshots.Found] = []
    for snapshot in found:
        if len(whole) == SNAPSHOTS_KEPT_MIN:
            break
        if snapshot.seq <= reader_seq and snapshots.inspect(snapshot.path, reads_all=True).is_valid:
            whole.append(snapshot)
    return whole


def _removable_segments(
    directory: Path, segments: list[Segment], policy: RetentionPolicy, floor_seq: int, now_ns: int
) -> list[Path]:
    """The oldest ones, up to the first that has to stay."""
    mark_file = Watermark(directory, REAL_DISK)
    active_number = mark_file.read().segment_number
    mark_file.close()
    bytes_kept = sum(segment.path.stat().st_size for segment in segments)
    removable: list[Path] = []
    for segment, following in itertools.pairwise(segments):
        if segment.number >= active_number or following.first_seq - 1 > floor_seq:
            break
        age_ns = now_ns - read_header(following, REAL_DISK).last_ts_ns
        is_too_old = 0 < policy.age_ns_max < age_ns
        is_too_much = 0 < policy.bytes_max < bytes_kept
        if not (is_too_old or is_too_much):
            break
        bytes_kept -= segment.path.stat().st_size
        removable.append(segment.path)
    return removable


def _is_beyond(index: int, policy: RetentionPolicy) -> bool:
    return policy.snapshots_max > 0 and index >= max(policy.snapshots_max, SNAPSHOTS_KEPT_MIN)


def _remove(directory: Path, paths: list[Path]) -> None:
    """Oldest first, so that what is left after a crash has no gap."""
    for path in sorted(paths):
        REAL_DISK.remove(path)
    if paths:
        REAL_DISK.sync_directory(directory)
