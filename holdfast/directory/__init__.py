"""Who may do what: accounts, API keys, permissions. Control commands → state.

master_key  the file outside the data directory, and what is sealed under it
keys        an API key as gateways use it: signature, permissions, addresses it may come from
issuing     a new key, as the group of records that creates it
people      the names of accounts, in a table from which they can be deleted
directory   the state that the journal's control commands lead to
"""
