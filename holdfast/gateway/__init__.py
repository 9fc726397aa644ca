"""Gateways: how clients and operators reach the venue."""
