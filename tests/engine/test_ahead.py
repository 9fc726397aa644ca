"""Room and memory for commands to come are there before them, and change nothing."""

import pytest

from holdfast.engine import ahead, book
from holdfast.engine.pools import CLIENT_IDS, new_memory


def test_memory_is_given_for_the_next_orders_of_pools_that_have_grown() -> None:
    memory = new_memory()
    ahead.touch_ahead(memory, 1_000)
    assert memory.populated_rows("details") == 0  # What has never grown is small, and in use.
    memory["book_head"][0]["order_rows"] = 5_000
    for name in ("orders", "details"):
        memory.grow(name, 8_192)
    ahead.touch_ahead(memory, 1_000)
    assert memory.populated_rows("orders") == memory.populated_rows("details") == 6_000


def test_orders_that_come_while_a_hash_is_given_memory_do_not_overtake_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, given = new_memory(), 0
    memory.grow("order_index", 2**20)
    for name in ("orders", "details"):
        memory.grow(name, 16_384)
    head = memory["book_head"][0]
    head["order_count"] = 2**20 // 4
    populate = memory.populate

    def populate_while_orders_come(name: str, rows: int) -> None:
        nonlocal given
        populate(name, rows)
        if name == "order_index":
            given += 1
            head["order_rows"] += 1_000

    monkeypatch.setattr(memory, "populate", populate_while_orders_come)
    ahead.touch_ahead(memory, 500)
    assert memory.populated_rows("order_index") == 2**21
    assert memory.populated_rows("details") == given * 1_000 + 500
    assert given > 4


@pytest.mark.parametrize(("used", "is_given"), [(0.7, False), (0.76, True)])
def test_memory_is_given_for_a_hash_that_soon_becomes_longer(used: float, is_given: bool) -> None:
    memory = new_memory()
    memory.grow("order_index", 2 * len(memory["order_index"]))
    memory.grow(CLIENT_IDS.slots, 2 * len(memory[CLIENT_IDS.slots]))
    index, slots = len(memory["order_index"]), len(memory[CLIENT_IDS.slots])
    memory["book_head"][0]["order_count"] = used * index / 4
    memory["venue"][0]["client_id_count"] = used * slots / 2
    ahead.touch_ahead(memory, 1_000)
    assert (memory.populated_rows("order_index") > index) is is_given
    assert (memory.populated_rows(CLIENT_IDS.slots) > slots) is is_given
    before = memory.populated_rows("order_index")
    book.widen_index(memory)
    assert len(memory["order_index"]) == 2 * index
    if is_given:
        assert before == 2 * index
