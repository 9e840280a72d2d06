"""Readers of tables, one file a format; what several of them share stands beside them."""
