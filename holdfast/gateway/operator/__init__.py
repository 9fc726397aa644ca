"""The operators' own REST interface under /api/holdfast/v1, with health and metrics.

token      who is an operator: whoever can read a file in the data directory
endpoints  the table of everything that can be asked; routing and the OpenAPI document come from it
schemas    what requests and answers look like
services   what is needed from the venue
commands   an operator's wish becomes a journaled command, and its outcome an answer or a problem
problems   refusals, each with what to do about it
metrics    plain counters as Prometheus reads them
app        the Starlette application
"""
