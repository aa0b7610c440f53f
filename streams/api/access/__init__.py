"""Who may ask, and how often: tokens, the short-lived ones made of them, and limits."""
