"""A client that joins diff events and a snapshot must have the venue's book, by each of the rules that clients use."""

import random

import pytest

from holdfast.codes import Side
from tests.gateway.market_readers import CcxtReader, DocumentedReader, PythonBinanceReader
from tests.gateway.market_venue import Market

READERS = [DocumentedReader, CcxtReader, PythonBinanceReader]


def change_something(market, dice):
    """One possible change of a book around 100."""
    book = market.data.market(1).book
    side = dice.choice([Side.BUY, Side.SELL])
    price = 100 - dice.randint(1, 30) if side == Side.BUY else 100 + dice.randint(1, 30)
    levels, key = (book.bids, price) if side == Side.BUY else (book.asks, -price)
    lots = 0 if key in levels.lots and dice.random() < 0.4 else dice.randint(1, 9)
    market.session.step()
    market.apply(book=[market.session.level(side, price, lots)])


def shown(market, target="/api/v3/depth?symbol=BTCUSDT&limit=5000"):
    snapshot = market.get(target)
    return [tuple(level) for level in snapshot["bids"]], [tuple(level) for level in snapshot["asks"]]


@pytest.mark.parametrize("reader_class", READERS)
@pytest.mark.parametrize("stream", ["btcusdt@depth@100ms", "btcusdt@depth", "btcusdt@depth@1000ms"])
@pytest.mark.parametrize("seed", range(12))
def test_stream_and_snapshot_give_the_book_by_each_clients_rules(reader_class, stream, seed):
    dice, market = random.Random(seed), Market()
    for _ in range(dice.randint(0, 40)):
        change_something(market, dice)
    for _ in range(dice.randint(0, 2)):
        market.tick()
    reader = reader_class(lambda: market.get("/api/v3/depth?symbol=BTCUSDT&limit=5000"))
    _, socket = market.connect("/ws/" + stream)
    for event in socket.sent:
        reader.feed(event)
    socket.on_data = reader.feed
    for _ in range(dice.randint(0, 15)):  # What happens between the subscription and the snapshot.
        change_something(market, dice)
        if dice.random() < 0.3:
            market.tick()
    reader.synchronise()
    for _ in range(60):
        for _ in range(dice.randint(0, 6)):
            change_something(market, dice)
        market.tick()
    market.seconds(1)
    assert reader.book.update_id == market.session.update_id
    assert reader.book.shown() == shown(market)


def test_python_binance_synchronises_at_the_first_try():
    dice, market = random.Random(1), Market()
    for _ in range(30):
        change_something(market, dice)
    market.tick()
    reader = PythonBinanceReader(lambda: market.get("/api/v3/depth?symbol=BTCUSDT&limit=500"))
    _, socket = market.connect("/ws/btcusdt@depth@100ms")
    socket.on_data = reader.feed
    change_something(market, dice)
    reader.synchronise()
    for _ in range(50):
        change_something(market, dice)
        market.tick()
    assert reader.snapshots_taken == 1


@pytest.mark.parametrize("speed", ["@100ms", "", "@1000ms"])
def test_events_continue_each_other_without_a_gap_also_over_idle_time(speed):
    dice, market = random.Random(2), Market()
    _, socket = market.connect("/ws/btcusdt@depth" + speed)
    for _ in range(100):
        if dice.random() < 0.5:
            change_something(market, dice)
        market.tick()
    market.seconds(1)
    events = socket.sent
    assert (events[0]["U"], events[0]["u"], events[0]["b"], events[0]["a"]) == (0, 0, [], [])
    assert [event["U"] for event in events[1:]] == [event["u"] + 1 for event in events[:-1]]
    assert events[-1]["u"] == market.session.update_id


@pytest.mark.parametrize("speed", ["@100ms", ""])
def test_late_subscriber_on_a_quiet_book_is_sent_the_last_true_event_at_once(speed):
    dice, market = random.Random(3), Market()
    _, early = market.connect("/ws/btcusdt@depth" + speed)
    for _ in range(5):
        change_something(market, dice)
    market.seconds(1)
    for _ in range(3):
        market.seconds(1)
    _, late = market.connect("/ws/btcusdt@depth" + speed)
    [event] = late.sent
    last = early.sent[-1]
    assert [event[name] for name in "UuabS".replace("S", "s")] == [last[name] for name in "Uuabs"]
    change_something(market, dice)
    market.seconds(1)
    assert late.sent[1:] == early.sent[-1:]
    assert late.sent[1]["U"] == event["u"] + 1


def test_first_event_after_a_restart_is_true_for_a_reader_that_kept_its_book():
    """A client one update behind must not be told that nothing changed."""
    market = Market()
    session = market.session
    market.apply(book=[session.level(Side.BUY, 90, 5), session.level(Side.BUY, 91, 6)])
    reader = DocumentedReader(lambda: market.get("/api/v3/depth?symbol=BTCUSDT"))
    reader.book.set({"lastUpdateId": 1, "bids": [("0.90000000", "0.00005000")], "asks": []})
    _, socket = market.connect("/ws/btcusdt@depth@100ms")
    reader.feed(socket.sent[0])
    assert reader.book.shown() == shown(market)


def test_snapshot_is_the_image_that_the_stream_published_last():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@depth@100ms")
    market.apply(book=[market.session.level(Side.BUY, 90, 5)])
    market.tick()
    market.apply(book=[market.session.level(Side.BUY, 91, 5)])
    assert market.get("/api/v3/depth?symbol=BTCUSDT") == {
        "lastUpdateId": socket.sent[-1]["u"],
        "bids": [["0.90000000", "0.00005000"]],
        "asks": [],
    }
    market.tick()
    assert market.get("/api/v3/depth?symbol=BTCUSDT")["lastUpdateId"] == socket.sent[-1]["u"] == 2


def test_partial_depth_shows_the_best_levels_of_each_image():
    market = Market()
    _, socket = market.connect("/stream?streams=btcusdt@depth5@100ms/btcusdt@depth20")
    assert [frame["data"] for frame in socket.sent] == [{"lastUpdateId": 0, "bids": [], "asks": []}] * 2
    market.apply(book=[market.session.level(Side.SELL, 101 + i, 1) for i in range(30)])
    socket.sent.clear()
    market.tick()
    [frame] = socket.sent
    assert frame["stream"] == "btcusdt@depth5@100ms"
    assert [price for price, _ in frame["data"]["asks"]] == [f"1.0{i}000000" for i in range(1, 6)]
    socket.sent.clear()
    market.seconds(1)
    [frame] = socket.sent
    assert frame["stream"] == "btcusdt@depth20"
    assert len(frame["data"]["asks"]) == 20
    assert frame["data"]["lastUpdateId"] == 30
    market.seconds(1)
    assert len(socket.sent) == 1


def test_images_are_conflated_while_the_machine_cannot_keep_up():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@depth@100ms")
    market.broadcast.backlog = 10_000
    for i in range(3):
        market.apply(book=[market.session.level(Side.BUY, 90 + i, 5)])
        market.tick()
    assert len(socket.sent) == 1
    market.broadcast.backlog = 0
    market.tick()
    assert [(event["U"], event["u"]) for event in socket.sent] == [(0, 0), (1, 3)]


def test_socket_whose_message_could_not_be_queued_is_closed_rather_than_left_with_a_gap():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@depth@100ms")
    market.broadcast.is_full = True
    market.apply(book=[market.session.level(Side.BUY, 90, 5)])
    market.tick()
    assert socket.closed == (1013, "the venue cannot keep up")
