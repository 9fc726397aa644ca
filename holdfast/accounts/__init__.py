"""Accounts: events become private views; the account history.

journal → engine → events → ACCOUNTS (history)

`history.History` is the whole interface; `export` writes an account's history as CSV. Balances and open orders are the
engine's; what has closed, traded, come in or gone out is here.
"""
