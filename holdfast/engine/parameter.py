"""Parameter: the present value of one of an instrument's parameters, in the unit that `InstrumentParameter` names."""

from holdfast.engine.jit import hot
from holdfast.engine.state import PARAMETERS_PER_INSTRUMENT


@hot
def parameter(state, instrument_id, which):
    return state.parameters[instrument_id * PARAMETERS_PER_INSTRUMENT + which]
