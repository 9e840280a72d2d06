"""Garbage collection: forget snapshots, find what nothing needs, mark it, delete it, repack the rest."""
