"""What people are told outside of the pages, in their language: what came of a task, who asks for an approval, what came of it.

Each function gives what writes the letter, once it is known who reads it. Words of the library stay English, below words of the
reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from console.access.rights import ACTION_TITLES
from console.post import Letter
from console.texts import marked
from console.words import Words
from vault.wording import quoted

if TYPE_CHECKING:
    from console.accounts.passkeys import Passkey
    from console.approvals.records import Request
    from console.post import Write
    from console.tasks.records import Task
    from console.texts import Texts


def task_is_over(task: Task) -> Write:
    """To whoever asked for it."""

    def write(texts: Texts) -> Letter:
        subject = _SUBJECTS.get(task.kind, _restored)(texts, task)
        return Letter(subject, "\n".join(_outcome(texts, task)), f"/tasks/{task.id}")

    return write


def task_waits_to_be_confirmed(task: Task, replacing: int) -> Write:
    """To whoever asked for it. replacing: how many items a host would replace that nobody has confirmed."""

    def write(texts: Texts) -> Letter:
        text = texts.ngettext(
            "%(num)s item that exists would be replaced. Confirm it on the page of the task, or cancel it.",
            "%(num)s items that exist would be replaced. Confirm it on the page of the task, or cancel it.",
            replacing,
        )
        subject = texts.gettext("Your restore in %(project)s waits for you", project=task.project)
        return Letter(subject, text, f"/tasks/{task.id}")

    return write


def erasing_is_asked(person: str, project: str, reason: str) -> Write:
    """To everybody: somebody with another identity must approve it."""

    def write(texts: Texts) -> Letter:
        about = {"person": person, "project": project}
        lines = [
            texts.gettext("%(person)s asks for everything of the project %(project)s to be destroyed.", **about),
            texts.gettext("The reason: %(reason)s", reason=reason),
            texts.gettext("Somebody with another identity must approve it:"),
            f"  strongroom project erase {quoted(project)} --approve",
        ]
        subject = texts.gettext("%(person)s asks for %(project)s to be erased", **about)
        return Letter(subject, "\n".join(lines), f"/projects/{quote(project, safe='')}/erase")

    return write


def approval_is_asked(request: Request) -> Write:
    """To whoever may decide."""

    def write(texts: Texts) -> Letter:
        of_one = marked("%(person)s asks that a second person approves this in %(project)s:")
        of_all = marked("%(person)s asks that a second person approves this, which is about all projects:")
        lines = [
            _about(texts, request, request.person, of_one, of_all),
            _action(texts, request),
            texts.gettext("The reason: %(reason)s", reason=request.reason),
            texts.gettext("It can be approved until %(moment)s.", moment=texts.moment(request.expires, "long")),
        ]
        of_one = marked("%(person)s asks for an approval in %(project)s")
        of_all = marked("%(person)s asks for an approval about all projects")
        subject = _about(texts, request, request.person, of_one, of_all)
        return Letter(subject, "\n".join(lines), f"/approvals/{request.id}")

    return write


def approval_is_decided(request: Request) -> Write:
    """To whoever asked."""

    def write(texts: Texts) -> Letter:
        approved = request.state in ("approved", "used")
        subject, first = _APPROVED if approved else _REFUSED
        lines = [_about(texts, request, request.decided_by, *first)]
        lines.append(_action(texts, request))
        if request.note:
            lines.append(texts.gettext("In their words: %(note)s", note=request.note))
        if request.state == "approved":
            lines.append(texts.gettext("Do it before %(moment)s.", moment=texts.moment(request.expires, "long")))
        return Letter(_about(texts, request, "", *subject), "\n".join(lines), f"/approvals/{request.id}")

    return write


def approval_has_expired(request: Request) -> Write:
    """To whoever asked. request: as it is now, with who had approved it, if anybody had."""

    def write(texts: Texts) -> Letter:
        moment = texts.moment(request.expires, "long")
        why = (
            texts.gettext("It was approved, and nobody has done it before %(moment)s:", moment=moment)
            if request.decided_by
            else texts.gettext("Nobody has decided before %(moment)s what you asked for:", moment=moment)
        )
        again = texts.gettext("Ask for it anew if it is still needed.")
        of_all = marked("Your request about all projects has expired")
        subject = _about(texts, request, "", marked("Your request in %(project)s has expired"), of_all)
        return Letter(subject, "\n".join((why, _action(texts, request), again)), f"/approvals/{request.id}")

    return write


def passkey_is_doubted(passkey: Passkey) -> Write:
    """To whose it is."""

    def write(texts: Texts) -> Letter:
        text = texts.gettext(
            "Somebody has signed with your passkey %(label)s, and its counter went back, as that of a copy does. It signs "
            "nobody in any more. Remove it on your account, and tell whoever administers the console if that was not you.",
            label=passkey.label,
        )
        return Letter(texts.gettext("A passkey of yours may have been copied"), text, "/account")

    return write


def _restored(texts: Texts, task: Task) -> str:
    subjects = {
        "done": texts.gettext("Your restore in %(project)s is done", project=task.project),
        "partly": texts.gettext("Your restore in %(project)s is done, and not all is as you asked", project=task.project),
        "cancelled": texts.gettext("Your restore in %(project)s was cancelled", project=task.project),
    }
    return subjects.get(task.state, texts.gettext("Your restore in %(project)s did not work", project=task.project))


def _exported(texts: Texts, task: Task) -> str:
    subjects = {
        "done": texts.gettext("Your export of %(project)s can be fetched", project=task.project),
        "partly": texts.gettext("Your export of %(project)s can be fetched, and not all is in it", project=task.project),
        "cancelled": texts.gettext("Your export of %(project)s was cancelled", project=task.project),
    }
    return subjects.get(task.state, texts.gettext("Your export of %(project)s did not work", project=task.project))


def _verified(texts: Texts, task: Task) -> str:
    if task.state not in ("done", "partly"):
        return texts.gettext("A bag for %(project)s was not verified", project=task.project)
    if task.outcome.bag is not None and task.outcome.bag.sound:
        return texts.gettext("A bag for %(project)s is what it says", project=task.project)
    return texts.gettext("A bag for %(project)s is NOT what it says", project=task.project)


def _erased(texts: Texts, task: Task) -> str:
    if task.state == "done":
        return texts.gettext("The project %(project)s is erased", project=task.project)
    if task.state == "partly":
        return texts.gettext("The project %(project)s is erased, and not all is as you asked", project=task.project)
    return texts.gettext("The project %(project)s was not erased", project=task.project)


_SUBJECTS = {"erasure": _erased, "export": _exported, "bag": _verified}
"""Of what came of a task, by its kind; others are restores."""


def _outcome(texts: Texts, task: Task) -> list[str]:
    done = task.outcome
    if task.state not in ("done", "partly"):
        why = [Words(texts).sentence(one) for one in (task.error, task.hint) if one]
        return [*([texts.gettext("It was cancelled.")] if task.state == "cancelled" else why), _asked(texts, task)]
    size = texts.size(done.bytes)
    if task.kind == "erasure":
        deleted = texts.ngettext(
            "%(num)s object was deleted, %(size)s.", "%(num)s objects were deleted, %(size)s.", done.files, size=size
        )
        return [deleted, _asked(texts, task)]
    if task.kind == "bag":
        count = 0 if done.bag is None else done.bag.files
        right = texts.ngettext("%(num)s file is what the bag says.", "%(num)s files are what the bag says.", count)
        return [right, _asked(texts, task)]
    if task.kind == "export":
        made = texts.ngettext("%(num)s file is in it, %(size)s.", "%(num)s files are in it, %(size)s.", done.files, size=size)
        return [made, *_not_as_asked(texts, task), _asked(texts, task)]
    lines = [texts.ngettext("%(num)s file is back, %(size)s.", "%(num)s files are back, %(size)s.", done.files, size=size)]
    if done.already_there:
        lines.append(texts.ngettext("%(num)s file was right already.", "%(num)s files were right already.", done.already_there))
    return [*lines, *_not_as_asked(texts, task), _asked(texts, task)]


def _not_as_asked(texts: Texts, task: Task) -> list[str]:
    problems = task.outcome.problems
    text = texts.ngettext("%(num)s thing is not as you asked.", "%(num)s things are not as you asked.", problems)
    return [text] if problems else []


def _asked(texts: Texts, task: Task) -> str:
    return texts.gettext("You asked for it on %(moment)s.", moment=texts.moment(task.created, "long"))


_APPROVED = (
    (marked("Your request in %(project)s was approved"), marked("Your request about all projects was approved")),
    (
        marked("%(person)s has approved what you asked for in %(project)s:"),
        marked("%(person)s has approved what you asked for about all projects:"),
    ),
)
_REFUSED = (
    (marked("Your request in %(project)s was refused"), marked("Your request about all projects was refused")),
    (
        marked("%(person)s has refused what you asked for in %(project)s:"),
        marked("%(person)s has refused what you asked for about all projects:"),
    ),
)
"""Subject and first line, each about one project and about all."""


def _about(texts: Texts, request: Request, person: str, of_one: str, of_all: str) -> str:
    """person: whom it names."""
    return texts.gettext(of_one if request.project else of_all, person=person, project=request.project)


def _action(texts: Texts, request: Request) -> str:
    lines = [f"  {texts.gettext(ACTION_TITLES[request.action])}"]
    files, size = request.what.get("files"), request.what.get("bytes")
    if isinstance(files, int) and isinstance(size, int):
        lines.append(f"  {texts.ngettext('%(num)s file', '%(num)s files', files)}, {texts.size(size)}")
    return "\n".join(lines)
