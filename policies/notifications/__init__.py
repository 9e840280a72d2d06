"""Telling people: when a promise breaks, once, and again when it is mended.

    message    what is told, as values and as text
    channels   the ways to tell it: a letter is given to one, which raises `NotTold` where that fails
    email, webhook, pings, apprises     those ways
    post       letters wait in the findings until their channel has taken them; one that does not is asked again, later and
    later

Secrets (a password, a URL) are asked for when they are needed, and appear in no message, error or log.
"""
