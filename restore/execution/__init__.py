"""Doing what a plan says: chunks fetched, contents written, attributes set."""
