"""Order lists over REST and the WebSocket API: OCO, OTO, OTOCO, OPO and OPOCO.

forms (values → orders) → placing (orders → commands, outcome → reply) → formats; queries (engine, history → result)
"""
