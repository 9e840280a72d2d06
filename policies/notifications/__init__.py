"""Notifications: when an alert fires, once, and again when it is resolved.

    message    what is sent, as values and as text
    channels   where it is sent to: a channel sends a message, and raises `NotDelivered` where that fails
    email, webhook, healthchecks, apprise     the channels
    outbox     messages are queued in the state store until their channel has taken them; one that does not is tried again,
               later and later

Secrets (a password, a URL) are asked for when they are needed, and appear in no message, error or log.
"""
