"""The breaker: real processes under a seeded schedule of faults, and a judge that shares no code.

``python -m tests.chaos --help`` says how to run it; docs/reliability/README.md what it has found.
"""
