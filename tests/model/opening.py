"""What every sequence of the model tests begins with: assets, markets, accounts, keys, money; and the short names."""

from holdfast import config
from holdfast.codes import CommandFlag, CommandKind, InstrumentParameter, OrderType, TimeInForce, TradingMode
from holdfast.commands import Command

START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
HORIZON_NS = config.CLIENT_ID_HORIZON_NS
ACCOUNTS = (1, 2, 3)
INSTRUMENTS = (1, 2, 3)
ASSETS = (1, 2, 3)

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
PEG_PRIMARY, PEG_MARKET = CommandFlag.PEG_PRIMARY, CommandFlag.PEG_MARKET
LIMIT, MARKET, LIMIT_MAKER = OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER


def opening() -> list[Command]:
    """Three markets that share three assets; a lot at a tick costs 10, 10 and 1 quote units."""
    kind = CommandKind
    commands = [
        Command(kind=kind.ADD_ASSET, client_id=b"AAA", qty_lots=2),
        Command(kind=kind.ADD_ASSET, client_id=b"BBB", qty_lots=3),
        Command(kind=kind.ADD_ASSET, client_id=b"CCC", qty_lots=0),
        _market(b"AAABBB", 1, 2, 10**7, 10),
        _market(b"CCCBBB", 3, 2, 10**6, 1),
        _market(b"AAACCC", 1, 3, 10**8, 100),
    ]
    for account in ACCOUNTS:
        commands.append(Command(kind=kind.CREATE_ACCOUNT, client_id=b"%032x" % account))
    for account, permissions in ((1, 7), (2, 2), (2, 1), (3, 5)):
        key = b"key %d %d" % (account, permissions)
        commands.append(Command(kind=kind.CREATE_KEY, account_id=account, qty_lots=permissions, client_id=key))
    for instrument in INSTRUMENTS:
        mode = TradingMode.TRADING
        commands.append(Command(kind=kind.SET_TRADING_MODE, instrument_id=instrument, qty_lots=mode))
        for which, ppm in ((InstrumentParameter.MAKER_FEE_PPM, 7_000), (InstrumentParameter.TAKER_FEE_PPM, 13_000)):
            commands.append(parameter(instrument, which, ppm))
        for which in (InstrumentParameter.TRAILING_ABOVE_BIPS_MAX, InstrumentParameter.TRAILING_BELOW_BIPS_MAX):
            commands.append(parameter(instrument, which, config.TRAILING_DELTA_BIPS_MAX))
    for account, wealth in zip(ACCOUNTS, (3, 3, 1), strict=True):
        for asset, amount in zip(ASSETS, (2_000, 60_000, 4_000), strict=True):
            reference = b"opening %d" % asset
            deposit = Command(kind=kind.DEPOSIT, account_id=account, instrument_id=asset, qty_lots=wealth * amount)
            commands.append(deposit._replace(client_id=reference))
    return commands


def _market(symbol: bytes, base: int, quote: int, tick_e8: int, lot_units: int) -> Command:
    command = Command(kind=CommandKind.ADD_INSTRUMENT, account_id=base, instrument_id=quote, client_id=symbol)
    return command._replace(price_ticks=tick_e8, qty_lots=lot_units)


def parameter(instrument: int, which: int, value: int) -> Command:
    kind = CommandKind.SET_INSTRUMENT_PARAMETER
    return Command(kind=kind, instrument_id=instrument, order_id=int(which), qty_lots=value)
