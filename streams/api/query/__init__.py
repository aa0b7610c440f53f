"""What a caller may ask of the checkouts: filters, sorts and pages, read and checked. Pure."""
