"""The naive exchange: what the rules say, written down a second time, without a thought for speed.

It takes the same commands as the engine and gives the same events; `test_model.py` demands it. This file has the door
and the operators' commands; `naive_money.py` those about money, `naive_trading.py` what traders ask, `naive_state.py`
what there is.
"""

from holdfast import config
from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    InstrumentParameter,
    Limit,
    RejectReason,
    TradingMode,
)
from holdfast.commands import Command
from holdfast.instruments import units_per_tick_lot
from tests.model.naive_lists import Lists
from tests.model.naive_money import MONEY, STEPS, Money
from tests.model.naive_state import Account, Asset, Event, Instrument, Key
from tests.model.naive_timers import Timers

MULTIPLIER_PPM_MAX = 1_000 * config.PPM
ROWS_MAX = 2**30
RULES_VERSION = 4


class NaiveExchange(Timers, Lists, Money):
    def apply(self, command: Command) -> list[Event]:
        """The command's events, in the order of their index."""
        self.command = command
        self.events = []
        self.traded_prices = []
        self.taker_prices = []
        self.forget_old_ids()
        kind = command.kind
        if kind == CommandKind.PLACE_ORDER:
            self.place(command)
        elif kind == CommandKind.CANCEL_ORDER:
            self.cancel(command)
        elif kind == CommandKind.CANCEL_ALL:
            self.cancel_all(command)
        elif kind == CommandKind.SET_COUNTDOWN:
            self.set_countdown(command)
        elif kind == CommandKind.TICK:
            self.tick(command)
        elif kind == CommandKind.REPLACE_ORDER:
            self.replace(command)
        elif kind == CommandKind.AMEND_ORDER:
            self.amend(command)
        elif kind == CommandKind.ORDER_LIST_LEG:
            self.keep_leg(command)
        elif kind == CommandKind.PLACE_ORDER_LIST:
            self.place_list(command)
        elif kind == CommandKind.CANCEL_ORDER_LIST:
            self.cancel_order_list(command)
        elif kind in MONEY:
            self.move_money(command)
        elif kind != CommandKind.PAYLOAD:
            self.operate(command)
        self.follow_up(command.instrument_id)
        return self.events

    def operate(self, command: Command) -> None:
        kind = command.kind
        if command.deadline_ts_ns and command.clock_ts_ns > command.deadline_ts_ns:
            self.reject(RejectReason.DEADLINE_PASSED)
        elif kind in STEPS:
            self.step_withdrawal(command)
        elif kind == CommandKind.ADD_ASSET:
            self.add_asset(command)
        elif kind == CommandKind.ADD_INSTRUMENT:
            self.add_instrument(command)
        elif kind == CommandKind.SET_INSTRUMENT_PARAMETER:
            self.set_parameter(command)
        elif kind == CommandKind.SET_TRADING_MODE:
            self.set_mode(command)
        elif kind in (CommandKind.SET_ACCOUNT_FEES, CommandKind.SET_ACCOUNT_FROZEN, CommandKind.KILL_ACCOUNT):
            self.set_account(command)
        elif kind == CommandKind.SET_VENUE_KILLED:
            self.set_killed(command)
        elif kind == CommandKind.SET_LIMIT:
            self.set_limit(command)
        elif kind == CommandKind.ACTIVATE_RULES:
            is_known = command.qty_lots == RULES_VERSION
            self.done(value=RULES_VERSION) if is_known else self.reject(RejectReason.RULES_UNKNOWN)
        elif kind == CommandKind.SCHEDULE_REOPENING:
            self.schedule_reopening(command)
        elif kind == CommandKind.CANCEL_REOPENING:
            self.cancel_reopening(command)
        elif kind == CommandKind.CREATE_ACCOUNT:
            self.create_account(command)
        elif kind == CommandKind.CREATE_KEY:
            self.create_key(command)
        elif kind == CommandKind.REVOKE_KEY:
            self.revoke_key(command)
        elif kind == CommandKind.REWRAP_SECRETS:
            self.done()
        else:
            self.reject(RejectReason.MALFORMED)

    # What there is.

    def is_new_name(self, command: Command, count: int, maximum: int, full: RejectReason, **about: int) -> bool:
        if not command.client_id:
            self.reject(RejectReason.MALFORMED, **about)
        elif self.answer_known(command, RejectReason.NAME_TAKEN, **about):
            pass
        elif count >= maximum:
            self.reject(full, **about)
        elif self.is_keys_full():
            self.reject(RejectReason.OPERATOR_KEYS_FULL, **about)
        else:
            return True
        return False

    def add_asset(self, command: Command) -> None:
        if not 0 <= command.qty_lots <= config.ASSET_DECIMALS_MAX:
            self.reject(RejectReason.DECIMALS_INVALID)
        elif self.is_new_name(command, len(self.assets), config.ASSETS_MAX, RejectReason.ASSETS_FULL):
            asset_id = len(self.assets) + 1
            self.assets[asset_id] = Asset(command.client_id, command.qty_lots)
            self.remember(command, asset_id)
            self.done(asset_id, command.qty_lots, asset_id=asset_id)

    def add_instrument(self, command: Command) -> None:
        base, quote, lot_units = command.account_id, command.instrument_id, command.qty_lots
        about = {"account_id": 0, "instrument_id": 0}
        if base not in self.assets or quote not in self.assets:
            self.reject(RejectReason.ASSET_UNKNOWN, **about)
            return
        unit = None
        if command.price_ticks > 0 and 0 < lot_units <= config.SUPPLY_MAX and base != quote:
            decimals = self.assets[base].decimals, self.assets[quote].decimals
            unit = units_per_tick_lot(command.price_ticks, lot_units, *decimals)
        if unit is None or unit * config.PRICE_TICKS_MAX > config.NOTIONAL_MAX:
            self.reject(RejectReason.INSTRUMENT_INVALID, **about)
            return
        full = RejectReason.INSTRUMENTS_FULL
        if not self.is_new_name(command, len(self.instruments), config.INSTRUMENTS_MAX, full, **about):
            return
        instrument_id = len(self.instruments) + 1
        which = InstrumentParameter
        qty_max = min(config.NOTIONAL_MAX // (config.PRICE_TICKS_MAX * unit), config.SUPPLY_MAX // lot_units)
        parameters: dict[int, int] = {
            which.PRICE_TICKS_MIN: 1,
            which.PRICE_TICKS_MAX: config.PRICE_TICKS_MAX,
            which.QTY_LOTS_MIN: 1,
            which.QTY_LOTS_MAX: qty_max,
        }
        self.instruments[instrument_id] = Instrument(command.client_id, base, quote, lot_units, unit, parameters)
        self.remember(command, instrument_id)
        self.done(instrument_id, 0, account_id=0, instrument_id=instrument_id)

    def set_parameter(self, command: Command) -> None:
        instrument = self.instruments.get(command.instrument_id)
        if instrument is None:
            self.reject(RejectReason.INSTRUMENT_UNKNOWN)
            return
        which, value = command.order_id, command.qty_lots
        lowest, highest = self.range_of(instrument, which)
        if not lowest <= value <= highest:
            self.reject(RejectReason.PARAMETER_INVALID)
            return
        after = {**instrument.parameters, which: value}
        dearest = after[InstrumentParameter.PRICE_TICKS_MAX] * after[InstrumentParameter.QTY_LOTS_MAX]
        if dearest * instrument.unit > config.NOTIONAL_MAX:
            self.reject(RejectReason.INSTRUMENT_INVALID)
            return
        instrument.parameters = after
        if which in (InstrumentParameter.REFERENCE_BUCKETS, InstrumentParameter.REFERENCE_BUCKET_MS):
            instrument.referred = {}
        self.done(which, value)

    def range_of(self, instrument: Instrument, which: int) -> tuple[int, int]:
        """The least and the greatest value of a parameter; nothing is in the range of an unknown one."""
        names = InstrumentParameter
        match which:
            case names.PRICE_TICKS_MIN:
                return 1, instrument.parameter(names.PRICE_TICKS_MAX)
            case names.PRICE_TICKS_MAX:
                return instrument.parameter(names.PRICE_TICKS_MIN), config.PRICE_TICKS_MAX
            case names.QTY_LOTS_MIN:
                return 1, instrument.parameter(names.QTY_LOTS_MAX)
            case names.QTY_LOTS_MAX:
                return instrument.parameter(names.QTY_LOTS_MIN), config.SUPPLY_MAX // instrument.lot_units
            case names.NOTIONAL_MIN_APPLIES_TO_MARKET | names.NOTIONAL_MAX_APPLIES_TO_MARKET:
                return 0, 1
            case names.BAND_PPM:
                return 0, MULTIPLIER_PPM_MAX
            case names.BAND_AUCTION_SECONDS:
                return 0, config.STAGE_SECONDS_MAX
            case names.MAKER_FEE_PPM | names.TAKER_FEE_PPM:
                return 0, config.FEE_PPM_MAX
            case names.REFERENCE_BUCKETS:
                return 0, config.REFERENCE_BUCKETS_MAX
            case names.REFERENCE_BUCKET_MS:
                return 0, config.REFERENCE_BUCKET_MS_MAX
            case names.REFERENCE_PRICE_TICKS:
                return 0, config.PRICE_TICKS_MAX
            case names.ORDER_AMENDS_MAX:
                return 0, config.ORDER_AMENDS_MAX
            case names.ICEBERG_PARTS_MAX:
                return 0, config.ICEBERG_PARTS_MAX
            case (
                names.TRAILING_ABOVE_BIPS_MIN
                | names.TRAILING_ABOVE_BIPS_MAX
                | names.TRAILING_BELOW_BIPS_MIN
                | names.TRAILING_BELOW_BIPS_MAX
            ):
                return 0, config.TRAILING_DELTA_BIPS_MAX
            case (
                names.BID_MULTIPLIER_UP_PPM
                | names.BID_MULTIPLIER_DOWN_PPM
                | names.ASK_MULTIPLIER_UP_PPM
                | names.ASK_MULTIPLIER_DOWN_PPM
                | names.BID_LIMIT_UP_PPM
                | names.BID_LIMIT_DOWN_PPM
                | names.ASK_LIMIT_UP_PPM
                | names.ASK_LIMIT_DOWN_PPM
            ):
                return 0, MULTIPLIER_PPM_MAX
        return (0, config.NOTIONAL_MAX) if which in names.__members__.values() and which else (0, -1)

    def set_mode(self, command: Command) -> None:
        instrument = self.instruments.get(command.instrument_id)
        if instrument is None:
            self.reject(RejectReason.INSTRUMENT_UNKNOWN)
        elif command.qty_lots not in TradingMode.__members__.values():
            self.reject(RejectReason.PARAMETER_INVALID)
        else:
            instrument.stages, instrument.next_mode_ts_ns = [], 0
            self.done(0, command.qty_lots)
            self.go_to(command.instrument_id, command.qty_lots)

    def schedule_reopening(self, command: Command) -> None:
        durations = [command.price_ticks, command.qty_lots, command.order_id]
        instrument = self.instruments.get(command.instrument_id)
        if instrument is None:
            self.reject(RejectReason.INSTRUMENT_UNKNOWN)
        elif not all(0 <= each <= config.STAGE_SECONDS_MAX * 10**9 for each in durations):
            self.reject(RejectReason.PARAMETER_INVALID)
        elif not command.client_id:
            self.reject(RejectReason.MALFORMED)
        elif self.answer_known(command, RejectReason.IDEMPOTENCY_CONFLICT):
            pass
        elif len(self.operator_keys) >= self.limits[Limit.OPERATOR_KEYS_MAX]:
            self.reject(RejectReason.OPERATOR_KEYS_FULL)
        else:
            self.remember(command, 0)
            self.done(0, command.qty_lots)
            modes = (TradingMode.HALT, TradingMode.CANCEL_ONLY, TradingMode.AUCTION)
            stages = [stage for stage in zip(modes, durations, strict=True) if stage[1]]
            instrument.stages = [*stages, (TradingMode.TRADING, 0)]
            self.next_stage(command.instrument_id)

    def cancel_reopening(self, command: Command) -> None:
        instrument = self.instruments.get(command.instrument_id)
        if instrument is None:
            self.reject(RejectReason.INSTRUMENT_UNKNOWN)
            return
        instrument.stages, instrument.next_mode_ts_ns = [], 0
        self.done()

    def set_account(self, command: Command) -> None:
        account = self.accounts.get(command.account_id)
        maker, value = command.price_ticks, command.qty_lots
        if account is None:
            self.reject(RejectReason.ACCOUNT_UNKNOWN)
        elif command.kind == CommandKind.SET_ACCOUNT_FEES:
            if not -1 <= maker <= config.FEE_PPM_MAX or not -1 <= value <= config.FEE_PPM_MAX:
                self.reject(RejectReason.PARAMETER_INVALID)
                return
            account.maker_fee_ppm, account.taker_fee_ppm = maker, value
            self.done(command.account_id, value)
        elif command.kind == CommandKind.SET_ACCOUNT_FROZEN:
            if value not in (0, 1):
                self.reject(RejectReason.PARAMETER_INVALID)
                return
            account.is_frozen = value
            self.done(command.account_id, value)
        else:
            account.is_frozen = 1
            self.done(command.account_id, 1)
            self.mass_cancel([command.account_id], 0, {})

    def set_killed(self, command: Command) -> None:
        if command.qty_lots not in (0, 1):
            self.reject(RejectReason.PARAMETER_INVALID)
            return
        self.is_killed = command.qty_lots
        self.done(0, command.qty_lots)
        if self.is_killed:
            self.mass_cancel(list(self.accounts), 0, {})

    def set_limit(self, command: Command) -> None:
        which, value = command.order_id, command.qty_lots
        is_time = which == Limit.CLIENT_ID_HORIZON_NS
        if which not in list(self.limits) or value < 0 or (value > ROWS_MAX and not is_time):
            self.reject(RejectReason.PARAMETER_INVALID)
            return
        self.limits[Limit(which)] = value
        self.done(which, value)

    def create_account(self, command: Command) -> None:
        if command.order_id and command.order_id not in self.accounts:
            self.reject(RejectReason.ACCOUNT_UNKNOWN)
            return
        maximum = self.limits[Limit.ACCOUNTS_MAX]
        if self.is_new_name(command, len(self.accounts), maximum, RejectReason.ACCOUNTS_FULL):
            account_id = len(self.accounts) + 1
            self.accounts[account_id] = Account(command.order_id)
            self.remember(command, account_id)
            self.done(account_id, 0, account_id=account_id)

    def create_key(self, command: Command) -> None:
        if command.account_id not in self.accounts:
            self.reject(RejectReason.ACCOUNT_UNKNOWN)
            return
        if not 0 <= command.qty_lots < 8:
            self.reject(RejectReason.PARAMETER_INVALID)
            return
        maximum = self.limits[Limit.OPERATOR_KEYS_MAX]
        if self.is_new_name(command, len(self.keys), maximum, RejectReason.OPERATOR_KEYS_FULL):
            key_id = len(self.keys) + 1
            self.keys[key_id] = Key(command.account_id, command.qty_lots)
            self.remember(command, key_id)
            self.done(key_id, command.qty_lots, key_id=key_id)

    def revoke_key(self, command: Command) -> None:
        key = self.keys.get(command.order_id)
        if key is None:
            self.reject(RejectReason.KEY_UNKNOWN)
            return
        about = {"key_id": command.order_id, "account_id": key.account_id}
        if key.is_revoked:
            self.tell_control(ControlEventKind.COMMAND_REPEATED, 0, command.order_id, 0, **about)
            return
        key.is_revoked = True
        self.done(command.order_id, 0, **about)
