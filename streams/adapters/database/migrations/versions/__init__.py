"""One module a step; released steps are never changed."""
