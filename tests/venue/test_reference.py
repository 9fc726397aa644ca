"""What a replica says of assets and instruments is what its engine has, and is made anew only when that changed."""

from collections.abc import Callable
from typing import Any

from tests.venue.inside import VenueInside

Inside = Callable[..., VenueInside]


def as_kept(venue: VenueInside) -> tuple[Any, Any]:
    """The replica's reference data, and the engine's."""
    replica = venue.venue._replica
    return replica.reference, replica.engine.reference()


def test_reference_follows_the_engine_and_deposits_leave_it_alone(inside: Inside) -> None:
    with inside() as venue, venue.operator() as operator:
        before, _ = venue.do(lambda: as_kept(venue))
        venue.trader("alice", USDT="100000")
        after, _ = venue.do(lambda: as_kept(venue))
        assert after is before
        for mode in ("POST_ONLY", "TRADING"):
            assert operator.call("PUT", "/instruments/BTCUSDT/mode", {"mode": mode}, f"mode-{mode}")[0] == 200
            kept, true = venue.do(lambda: as_kept(venue))
            assert kept.instruments == true.instruments
            assert kept.by_symbol["BTCUSDT"].mode.name == mode
        assert kept.assets == true.assets
