"""Checkout Recovery: Wix abandoned-checkout webhooks in, recovery events and rates out."""
