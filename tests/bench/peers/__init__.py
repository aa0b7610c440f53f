"""Others that do the same job, each as its own documentation advises."""
