"""Stores: bytes under names, and nothing else. `contract` says what the floors above may assume."""
