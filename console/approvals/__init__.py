"""What a second person must approve before it is done: requests with reasons, which expire.

records   requests as values, and where they are written down; who may decide is checked by `gateway.approvals`
"""
