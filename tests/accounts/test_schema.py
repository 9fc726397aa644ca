"""The schema is a promise to those who read the file with their own SQL: what is documented is what is made."""

from pathlib import Path

from holdfast.accounts.history import History
from holdfast.accounts.queries import Queries
from holdfast.accounts.schema import SCHEMA_VERSION, create_statements, open_for_reading
from holdfast.accounts.selection import Window
from tests.accounts.stream import Stream

DOCUMENT = Path(__file__).parents[2] / "docs" / "history.md"


def test_the_documented_statements_are_those_that_make_the_file():
    text = DOCUMENT.read_text()
    assert f"## Schema, version {SCHEMA_VERSION}" in text
    documented = text.split("```sql")[1].split("```")[0]
    squeezed = " ".join(documented.split()).replace("( ", "(").replace(" )", ")")
    assert squeezed == " ".join(f"{statement};" for statement in create_statements())


def test_every_read_of_an_account_walks_an_index(tmp_path):
    """A scan would hold up the loop once the file is large."""
    path = tmp_path / "history.sqlite"
    history = History(path)
    history.on_applied(Stream(1).batch(300))
    history.close()
    connection = open_for_reading(path)
    statements: list[str] = []
    queries = Queries(path)
    queries._connection.set_trace_callback(statements.append)
    for window in (Window(), Window(from_id=1), Window(start_ts_ns=1), Window(end_ts_ns=1), Window(1, 1, 1)):
        queries.orders(1, 1, window)
        queries.fills(1, 1, window)
        queries.fills_of_order(1, 1, 1, window)
        queries.market_trades(1, window)
        queries.deposits(1, window)
        queries.withdrawals(1, window)
        queries.transfers(1, window)
        queries.order_lists(1, window)
    queries.order(1, 1)
    queries.order_list(1, 1)
    queries.order_list_by_client_id(1, "a")
    queries.order_by_client_id(1, 1, "a")
    for statement in set(statements):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert plan[0].startswith("SEARCH"), (statement, plan)
        if " FROM fills WHERE account_id" in statement:
            assert "fills_by_account" in plan[0], plan
