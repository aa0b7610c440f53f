"""A believable platform of Wix shops that posts signed webhooks.

``platform`` makes the events (pure, by seed), ``signing`` signs them, ``posting`` delivers them as
Wix does and keeps the ledger that the audit compares with.
"""
