"""Markets: assets, instruments, their parameters and trading modes."""

from msgspec import UNSET

from holdfast import parameters
from holdfast.codes import CommandKind, TradingMode
from holdfast.commands import Command
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.commands import carry_out, done, is_repeated
from holdfast.gateway.operator.problems import ProblemError
from holdfast.gateway.operator.services import Services
from holdfast.gateway.operator.texts import amount_of, asset_of, instrument_of, time_text
from holdfast.instruments import Asset, Instrument, format_decimal

SECOND_NS = 10**9
_PRICE = Asset(0, "a price", 8)


async def list_assets(call: Call) -> schemas.Assets:
    return schemas.Assets([schemas.Asset(*asset) for asset in call.services.replica.reference.assets.values()])


async def add_asset(call: Call) -> schemas.Asset:
    command = Command(kind=CommandKind.ADD_ASSET, client_id=call.body.code.encode(), qty_lots=call.body.decimals)
    control = await carry_out(call.services.replica, command)
    return schemas.Asset(control.id, call.body.code, call.body.decimals)


async def list_instruments(call: Call) -> schemas.Instruments:
    instruments = call.services.replica.reference.instruments.values()
    return schemas.Instruments([_told(call.services, instrument) for instrument in instruments])


async def show_instrument(call: Call) -> schemas.Instrument:
    return _told(call.services, instrument_of(call.services, call.path["symbol"]))


async def add_instrument(call: Call) -> schemas.Instrument:
    """In HALT; its parameters are set next, and then its mode."""
    services, wanted = call.services, call.body
    base, quote = asset_of(services, wanted.base), asset_of(services, wanted.quote)
    command = Command(
        kind=CommandKind.ADD_INSTRUMENT,
        client_id=wanted.symbol.encode(),
        account_id=base.asset_id,
        instrument_id=quote.asset_id,
        price_ticks=amount_of(_PRICE, wanted.tick_size),
        qty_lots=amount_of(base, wanted.lot_size),
    )
    await carry_out(services.replica, command)
    return _told(services, instrument_of(services, wanted.symbol))


async def set_parameters(call: Call) -> schemas.Instrument:
    """One command each, in an order that is safe; the first that is refused ends it, and those before it stay."""
    services = call.services
    instrument = instrument_of(services, call.path["symbol"])
    grid = parameters.Grid(instrument.base, instrument.quote, instrument.tick_e8, instrument.lot_units)
    values = []
    for name, parameter in parameters.PARAMETERS.items():
        written = getattr(call.body, name)
        if written is UNSET:
            continue
        try:
            new = parameters.parse(parameter, written, grid)
        except ValueError as error:
            raise ProblemError(409, f"{name} {error}.", "Read the instrument's tick and lot size.") from None
        values.append((parameter.code, instrument.parameters.get(parameter.code, 0), new))
    for code, _, value in sorted(values, key=parameters.safe_order):
        command = Command(
            kind=CommandKind.SET_INSTRUMENT_PARAMETER,
            instrument_id=instrument.instrument_id,
            order_id=code,
            qty_lots=value,
        )
        await carry_out(services.replica, command)
    return _told(services, instrument_of(services, instrument.symbol))


async def set_mode(call: Call) -> schemas.Done:
    instrument = instrument_of(call.services, call.path["symbol"])
    command = Command(
        kind=CommandKind.SET_TRADING_MODE,
        instrument_id=instrument.instrument_id,
        qty_lots=TradingMode[call.body.mode],
    )
    return done(await carry_out(call.services.replica, command))


async def schedule_reopening(call: Call) -> schemas.Reopening:
    """HALT, CANCEL_ONLY and AUCTION for as long as each is to last, then TRADING."""
    wanted, instrument = call.body, instrument_of(call.services, call.path["symbol"])
    command = Command(
        kind=CommandKind.SCHEDULE_REOPENING,
        instrument_id=instrument.instrument_id,
        price_ticks=wanted.halt_seconds * SECOND_NS,
        qty_lots=wanted.cancel_only_seconds * SECOND_NS,
        order_id=wanted.auction_seconds * SECOND_NS,
        client_id=call.idempotency_key.encode(),
    )
    control = await carry_out(call.services.replica, command)
    now = instrument_of(call.services, instrument.symbol)
    seq = control.first_seq or control.seq
    return schemas.Reopening(seq, is_repeated(control), now.mode.name, _stages(now))  # type: ignore[arg-type]


async def cancel_reopening(call: Call) -> schemas.Done:
    """The instrument stays in the mode that it is in."""
    instrument = instrument_of(call.services, call.path["symbol"])
    command = Command(kind=CommandKind.CANCEL_REOPENING, instrument_id=instrument.instrument_id)
    return done(await carry_out(call.services.replica, command))


def _stages(instrument: Instrument) -> list[schemas.Stage]:
    return [
        schemas.Stage(stage.mode.name, time_text(stage.begins_ts_ns))  # type: ignore[arg-type]
        for stage in instrument.stages
    ]


def _told(services: Services, instrument: Instrument) -> schemas.Instrument:
    grid = parameters.Grid(instrument.base, instrument.quote, instrument.tick_e8, instrument.lot_units)
    values = {
        parameters.BY_CODE[code].name: parameters.show(parameters.BY_CODE[code], value, grid)
        for code, value in instrument.parameters.items()
    }
    auction = services.replica.auction(instrument.instrument_id)
    return schemas.Instrument(
        instrument.instrument_id,
        instrument.symbol,
        instrument.base.code,
        instrument.quote.code,
        format_decimal(instrument.tick_e8),
        instrument.format_qty(1),
        instrument.mode.name,  # type: ignore[arg-type]
        schemas.Parameters(**values),  # type: ignore[arg-type]
        _stages(instrument),
        schemas.Auction(
            instrument.format_price(auction.price_ticks),
            instrument.format_qty(auction.lots),
            instrument.format_qty(auction.surplus_lots),
        ),
    )
