"""What people are told outside of the pages, in their language: what came of a task, who asks for an approval, what came of it.

Each function gives what writes the letter, once it is known who reads it. Words of the library stay English, below words of the
reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from console.access.rights import ACTION_TITLES
from console.post import Letter
from console.texts import marked
from vault.wording import quoted

_RESTORES = {
    "done": marked("Your restore in %(project)s is done"),
    "partly": marked("Your restore in %(project)s is done, and not all is as you asked"),
    "cancelled": marked("Your restore in %(project)s was cancelled"),
    "failed": marked("Your restore in %(project)s did not work"),
}
_ERASINGS = {
    "done": marked("The project %(project)s is erased"),
    "partly": marked("The project %(project)s is erased, and not all is as you asked"),
    "cancelled": marked("The erasing of %(project)s was cancelled"),
    "failed": marked("The erasing of %(project)s did not work"),
}

if TYPE_CHECKING:
    from console.accounts.passkeys import Passkey
    from console.approvals.records import Request
    from console.post import Write
    from console.tasks.records import Task
    from console.texts import Texts


def task_is_over(task: Task) -> Write:
    """To whoever asked for it."""

    def write(texts: Texts) -> Letter:
        subjects = _ERASINGS if task.kind == "erasure" else _RESTORES
        subject = texts.gettext(subjects.get(task.state, subjects["failed"]), project=task.project)
        return Letter(subject, "\n".join(_outcome(texts, task)), f"/tasks/{task.id}")

    return write


def task_waits(task: Task, replacing: int) -> Write:
    """To whoever asked for it: a host found what they have not confirmed. replacing: things that exist."""

    def write(texts: Texts) -> Letter:
        what = texts.ngettext(
            "%(num)s thing that exists would be replaced. Confirm that, or cancel it.",
            "%(num)s things that exist would be replaced. Confirm that, or cancel it.",
            replacing,
        )
        subject = texts.gettext("Your restore in %(project)s waits for you", project=task.project)
        return Letter(subject, f"{what}\n{_asked(texts, task)}", f"/tasks/{task.id}")

    return write


def erasure_is_asked(person: str, project: str, reason: str) -> Write:
    """To whoever may approve it with another identity."""

    def write(texts: Texts) -> Letter:
        about = {"person": person, "project": project}
        lines = [
            texts.gettext("%(person)s asks for everything of the project %(project)s to be destroyed.", **about),
            texts.gettext("Somebody with another identity must approve it:"),
            f"  strongroom project erase {quoted(project)} --approve",
            texts.gettext("The reason: %(reason)s", reason=reason),
        ]
        subject = texts.gettext("%(person)s asks for %(project)s to be erased", **about)
        return Letter(subject, "\n".join(lines), f"/projects/{quote(project, safe='')}/erase")

    return write


def approval_is_asked(request: Request) -> Write:
    """To whoever may decide."""

    def write(texts: Texts) -> Letter:
        about = {"person": request.person, "project": request.project}
        lines = [
            texts.gettext("%(person)s asks that a second person approves this in %(project)s:", **about),
            _action(texts, request),
            texts.gettext("The reason: %(reason)s", reason=request.reason),
            texts.gettext("It can be approved until %(moment)s.", moment=texts.moment(request.expires, "long")),
        ]
        subject = texts.gettext("%(person)s asks for an approval in %(project)s", **about)
        return Letter(subject, "\n".join(lines), f"/approvals/{request.id}")

    return write


def approval_is_decided(request: Request) -> Write:
    """To whoever asked."""

    def write(texts: Texts) -> Letter:
        approved = request.state in ("approved", "used")
        about = {"person": request.decided_by, "project": request.project}
        if approved:
            subject = texts.gettext("Your request in %(project)s was approved", project=request.project)
            lines = [texts.gettext("%(person)s has approved what you asked for in %(project)s:", **about)]
        else:
            subject = texts.gettext("Your request in %(project)s was refused", project=request.project)
            lines = [texts.gettext("%(person)s has refused what you asked for in %(project)s:", **about)]
        lines.append(_action(texts, request))
        if request.note:
            lines.append(texts.gettext("In their words: %(note)s", note=request.note))
        if request.state == "approved":
            lines.append(texts.gettext("Do it before %(moment)s.", moment=texts.moment(request.expires, "long")))
        return Letter(subject, "\n".join(lines), f"/approvals/{request.id}")

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
        subject = texts.gettext("Your request in %(project)s has expired", project=request.project)
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


def _outcome(texts: Texts, task: Task) -> list[str]:
    done = task.outcome
    if task.state not in ("done", "partly"):
        lines = [texts.gettext("It was cancelled.")] if task.state == "cancelled" else [f"{task.error} {task.hint}".strip()]
        return [*lines, _asked(texts, task)]
    size = texts.size(done.bytes)
    if task.kind == "erasure":
        gone = texts.ngettext(
            "%(num)s object was deleted, %(size)s.", "%(num)s objects were deleted, %(size)s.", done.files, size=size
        )
        return [gone, *_problems(texts, done.problems), _asked(texts, task)]
    lines = [texts.ngettext("%(num)s file is back, %(size)s.", "%(num)s files are back, %(size)s.", done.files, size=size)]
    if done.already_there:
        lines.append(texts.ngettext("%(num)s file was right already.", "%(num)s files were right already.", done.already_there))
    return [*lines, *_problems(texts, done.problems), _asked(texts, task)]


def _problems(texts: Texts, number: int) -> list[str]:
    if not number:
        return []
    return [texts.ngettext("%(num)s thing is not as you asked.", "%(num)s things are not as you asked.", number)]


def _asked(texts: Texts, task: Task) -> str:
    return texts.gettext("You asked for it on %(moment)s.", moment=texts.moment(task.created, "long"))


def _action(texts: Texts, request: Request) -> str:
    lines = [f"  {texts.gettext(ACTION_TITLES[request.action])}"]
    files, size = request.what.get("files"), request.what.get("bytes")
    if isinstance(files, int) and isinstance(size, int):
        lines.append(f"  {texts.ngettext('%(num)s file', '%(num)s files', files)}, {texts.size(size)}")
    return "\n".join(lines)
