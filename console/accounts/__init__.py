"""Who people are: local accounts, sessions, tokens, and those for whom others vouch.

    accounts       all of it together, as the console has it
    authenticator  who sent a request: a token, a proxy's header, or a session
    local          local accounts: passwords, groups, one-time passwords
    passwords      argon2id, bounded in memory
    totp           one-time passwords (RFC 6238)
    passkeys       keys of people's devices (WebAuthn)
    sessions       what a cookie stands for: its lifetime, its end
    login          from a name and a password to a session, step by step, throttled
    throttle       how long somebody waits after wrong answers
    tokens         what scripts sign in with
    proxy          a reverse proxy's headers, where it may be believed
    openid         OpenID Connect: browsers go to the provider, and come back
    provider       what the provider says, checked
    account_log    what was done with accounts, on its way into the log
    preferences    what people have chosen for themselves
    cookies        the console's cookies
    tables         what of all this is stored

Nothing here knows of the repository.
"""
