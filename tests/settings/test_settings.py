"""A settings file is read strictly: whatever is wrong is named with its line and key, before anything happens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codes import InstrumentParameter, Limit, TradingMode
from holdfast.config import NOTIONAL_MAX, TRAILING_DELTA_BIPS_MAX
from holdfast.instruments import Asset
from holdfast.parameters import PARAMETERS, Grid, Unit, parse, show
from holdfast.settings import DEFAULT_PATH, RateLimits, Retention, SettingsError, load

GOOD = """\
[assets]
BTC = { decimals = 8 }
USDT = { decimals = 6 }

[fees]
maker_ppm = 500

[instruments.BTCUSDT]
base = "BTC"
quote = "USDT"
tick_size = "0.01"
lot_size = "0.0001"
price_max = "1000000"
qty_max = "9000"
taker_fee_ppm = 750

[limits]
orders_max = 1000

[rate_limits]
orders_per_10_seconds = 50

[retention]
max_age_days = 30

[journal]
segment_bytes = 65536
"""


def loaded(tmp_path: Path, text: str) -> object:
    path = tmp_path / "venue.toml"
    path.write_text(text)
    return load(path)


def test_file_says_everything_with_defaults_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(GOOD)
    settings = load(path)
    assert settings.assets == {"BTC": 8, "USDT": 6}
    market = settings.instruments["BTCUSDT"]
    assert (market.tick_e8, market.lot_units, market.mode) == (1_000_000, 10_000, TradingMode.TRADING)
    assert market.parameters[InstrumentParameter.PRICE_TICKS_MAX] == 10**8
    assert market.parameters[InstrumentParameter.MARKET_QTY_LOTS_MAX] == 9000 * 10**4
    assert market.parameters[InstrumentParameter.MAKER_FEE_PPM] == 500
    assert market.parameters[InstrumentParameter.TAKER_FEE_PPM] == 750
    assert settings.limits == {Limit.ORDERS_MAX: 1000}
    assert settings.rate_limits.orders_per_10_seconds == 50
    assert settings.rate_limits.request_weight_per_minute == 6000
    assert settings.retention.max_age_days == 30
    assert (settings.journal.segment_bytes, settings.journal.snapshot_commands) == (65_536, 2_000_000)


def test_default_file_has_the_four_markets() -> None:
    settings = load()
    assert list(settings.instruments) == ["BTCUSDT", "ETHUSDT", "ETHBTC", "SOLUSDT"]
    assert load(DEFAULT_PATH) == settings


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("decimals = 6", "decimals = 9", r"line 3: assets\.USDT\.decimals is not between 0 and 8\."),
        ("USDT = { decimals = 6 }", "usdt = { decimals = 6 }", r"line 3: assets\.usdt is not 1 to 20 capital"),
        ("USDT = { decimals = 6 }", "USDT = 6", r"line 3: assets\.USDT is not a table"),
        ('base = "BTC"', 'base = "XRP"', r"line 9: instruments\.BTCUSDT\.base is not one of the file's assets"),
        ('base = "BTC"', 'base = "USDT"', r"line 10: instruments\.BTCUSDT\.quote is the base as well"),
        ('base = "BTC"', "base = []", r"line 9: instruments\.BTCUSDT\.base is not one of the file's assets"),
        ('tick_size = "0.01"', "tick_size = 0.01", r"line 11: instruments\.BTCUSDT\.tick_size is not decimal text"),
        ('tick_size = "0.01"', 'tick_size = "0"', r"line 11: instruments\.BTCUSDT\.tick_size is zero"),
        ('tick_size = "0.01"\n', "", r"line 8: instruments\.BTCUSDT lacks tick_size"),
        ('lot_size = "0.0001"', 'lot_size = "0.00001"', r"line 12: .*lot_size times tick_size is not a whole number"),
        ('lot_size = "0.0001"', 'lot_size = "0.000000001"', r'line 12: .*"0.000000001" has more than 8 decimals'),
        ('price_max = "1000000"', 'price_max = "1.005"', r"line 13: .*price_max is not a whole number of ticks"),
        ('price_max = "1000000"', 'price_max = "ten"', r'line 13: .*price_max "ten" is not a decimal number'),
        ('price_max = "1000000"', 'price_max = "100000000"', r"line 13: .*price_max is more than 1000000000 ticks"),
        ('qty_max = "9000"', 'qty_max = "90000000000000"', r"line 14: .*qty_max times price_max is more than"),
        ('qty_max = "9000"', 'qty_max = "9000"\niceberg_parts_max = 101', r"line 15: .*parts_max is more than 100"),
        ('qty_max = "9000"', 'qty_max = "9000"\norder_amends_max = 101', r"line 15: .*amends_max is more than 100"),
        ('qty_max = "9000"', 'qty_max = "9000"\nqty_min = "9001"', r"line 14: .*qty_max is less than qty_min"),
        ("taker_fee_ppm = 750", "taker_fee_ppm = 750.0", r"line 15: .*taker_fee_ppm is not a whole number"),
        ("taker_fee_ppm = 750", "taker_fee_ppm = 100001", r"line 15: .*is more than 100000 millionths"),
        ("taker_fee_ppm = 750", 'mode = "OPEN"', r"line 15: .*mode is none of HALT, CANCEL_ONLY"),
        ("taker_fee_ppm = 750", "mode = []", r"line 15: .*mode is none of HALT"),
        ("taker_fee_ppm = 750", "orders_max = true", r"line 15: .*orders_max is not a whole number"),
        ("taker_fee_ppm = 750", "notional_min_applies_to_market = 1", r"line 15: .*is neither true nor false"),
        ("taker_fee_ppm = 750", "taker_fee = 750", r"line 15: instruments\.BTCUSDT\.taker_fee is not a key"),
        ("orders_max = 1000", "orders_max = -1", r"line 18: limits\.orders_max is less than 0"),
        ("orders_max = 1000", "order_max = 1", r"line 18: limits\.order_max is not a key"),
        ("orders_per_10_seconds = 50", "orders_per_10_seconds = 0", r"line 21: rate_limits\..* is less than 1"),
        ("[retention]", "[retain]", r"line 23: retain is not a key"),
        ("segment_bytes = 65536", "segment_bytes = 65535", r"line 27: journal\.segment_bytes is not between 65536 and"),
        ("segment_bytes = 65536", "segment_bytes = 1073741825", r"line 27: journal\.segment_bytes is not between"),
        ("segment_bytes = 65536", "snapshot_seconds = 0", r"line 27: journal\.snapshot_seconds is less than 1"),
        ("segment_bytes = 65536", "segments = 1", r"line 27: journal\.segments is not a key"),
        ("[limits]", "[limits", r"are not TOML: .*line 17"),
    ],
)
def test_mistake_is_named_with_its_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError, match=message):
        loaded(tmp_path, GOOD.replace(old, new))


def test_missing_file_and_one_that_is_not_text_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not text in UTF-8"):
        load(tmp_path / "binary.toml")


GRID = Grid(Asset(1, "BTC", 8), Asset(2, "USDT", 6), 1_000_000, 10_000)


@given(name=st.sampled_from(sorted(PARAMETERS)), value=st.integers(0, 100_000))
def test_every_parameter_is_read_back_as_it_is_shown(name: str, value: int) -> None:
    parameter = PARAMETERS[name]
    if parameter.unit == Unit.SWITCH:
        value &= 1
    if parameter.unit == Unit.BIPS:
        value %= TRAILING_DELTA_BIPS_MAX + 1
    assert parse(parameter, show(parameter, value, GRID), GRID) == value


@given(text=st.text(max_size=200))
def test_no_text_at_all_breaks_the_reading(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, "utf-8", errors="replace", newline="")
    try:
        load(path)
    except SettingsError as error:
        assert str(error).endswith(".")


def test_default_markets_leave_room_below_the_venues_bound() -> None:
    for market in load().instruments.values():
        maxima = (
            market.parameters[InstrumentParameter.PRICE_TICKS_MAX],
            market.parameters[InstrumentParameter.QTY_LOTS_MAX],
        )
        assert maxima[0] * maxima[1] < NOTIONAL_MAX


MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"


def test_manual_explains_every_key_and_its_example_is_right(tmp_path: Path) -> None:
    manual = MANUAL.read_text()
    example = manual.partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "example.toml"
    path.write_text(example)
    assert load(path).instruments
    for name in [
        *PARAMETERS,
        *RateLimits._fields,
        *Retention._fields,
        *(limit.name.lower() for limit in Limit if limit),
    ]:
        assert f"`{name}`" in manual, name
