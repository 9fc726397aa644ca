"""Participants: simulated traders that make the demo market look like one.

PARTICIPANTS → gateway → journal → engine → market data → PARTICIPANTS

`demo.DemoMarket` is the whole of it: give it sessions and a view of the market, and call `step(now_ns)` about ten times
a second. Everything they do goes through the same order functions as clients' requests. They decide with floats; what
they send is decimal text made from ticks and lots.
"""
