"""Paging: every row of a query, page by page, as a client reads a long history."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.crash.records import Row
from tests.support.rest import Rest

PAGE = 1000


def pages(rest: Rest, path: str, parameter: str, name: str, first: int, **fixed: str) -> Iterator[Row]:
    """Every row from id `first` on. A trade with oneself is two rows of one id."""
    seen: set[tuple[int, Any]] = set()
    while True:
        status, page = rest.signed("GET", path, limit=PAGE, **fixed, **{parameter: first})
        assert status == 200, page
        yield from _unseen(page, name, seen)
        if len(page) < PAGE:
            return
        first = page[-1][name]
        seen = {_key(row, name) for row in page if row[name] == first}


def _unseen(page: Iterable[Row], name: str, seen: set[tuple[int, Any]]) -> Iterator[Row]:
    last = 0
    for row in page:
        assert row[name] >= last, "rows are not in order"
        last = row[name]
        if _key(row, name) not in seen:
            yield row


def _key(row: Row, name: str) -> tuple[int, Any]:
    return row[name], row.get("orderId")
