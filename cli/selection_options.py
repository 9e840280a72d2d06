"""The options of a selection, where commands have looked for them: they are in `strongroom.selection`."""

from strongroom.selection import SelectionOptions as SelectionOptions
from strongroom.selection import notice_beyond as tell_beyond
from strongroom.selection import notice_moment as tell_moment
from strongroom.selection import warn_of_inconsistent as tell_consistency

__all__ = ["SelectionOptions", "tell_beyond", "tell_consistency", "tell_moment"]
