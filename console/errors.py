"""The console's own errors, of the one tree. Messages and hints that are always the same are translated where a page shows
them."""

from __future__ import annotations

from vault.errors import Busy, KeyRefused, NothingFound, RefusedByRule, StrongroomError, UsageError


class NotThere(NothingFound):
    """There is no such page, project or item, or whoever asks may not know that there is. Both look alike."""


class NoSnapshotYet(NothingFound):
    """Nothing was backed up of a project that whoever asks may see."""


class NotAllowed(RefusedByRule):
    """Whoever asks may see it, and not do this."""


class LacksKey(KeyRefused):
    """Whoever asks may do it, and this console was not given the key for it."""


class LacksContent(LacksKey):
    """The same, of content: what can be done in its place is to ask for a restore."""


class NeedsApproval(NotAllowed):
    """Whoever asks may do it once a second person has approved it."""


class NotSignedIn(RefusedByRule):
    """Nobody is known to have asked."""


class LoginRefused(RefusedByRule):
    """Who they say they are was not proven. again: whether the same step may be tried again."""

    def __init__(self, message: str, *, hint: str | None = None, again: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.again = again


class ProviderFailed(StrongroomError):
    """Whoever vouches for people does not answer, or not as the standard says."""


class TooManyTries(RefusedByRule):
    """Somebody answers wrong so often that nothing is looked at for a while. wait: seconds."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message, hint=f"wait for {max(1, round(wait))} seconds")
        self.wait = wait


class TooManyAtOnce(Busy):
    """Somebody asks for more at once than is worked on for one person, or for all of them."""


class ForgedRequest(RefusedByRule):
    """What came did not come from a page of this console, or from one of a session that is over."""


class LeaseLost(Busy):
    """A host says something of a task that is no longer its own."""


class ConsoleAway(StrongroomError):
    """A console cannot be reached, or does not answer as it should for a while: worth another try."""


class BadAnswer(StrongroomError):
    """What answers at the address of a console is none, or one of another version."""


class TokenRefused(KeyRefused):
    """A console does not know the token of this host, or its time is over."""


class TooLarge(UsageError):
    """More was sent than any form of the console holds."""


class WrongMethod(UsageError):
    """There is such a page, and it does not take what was sent to it in this way."""


class StateError(StrongroomError):
    """The console's own memory cannot be read or written."""
