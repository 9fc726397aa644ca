"""Binance Spot's REST, WebSocket API and streams, close enough that unmodified clients trade here."""
