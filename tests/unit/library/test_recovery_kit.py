"""A recovery kit as files: text that works as it is, pages whose codes can be read, and what is said of wrong ones."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from strongroom import identities, recovery_kit, recovery_kit_page
from strongroom.recovery_kit import KitOptions, RecoveryKit
from strongroom.settings.models import IdentitySettings, RepositorySettings
from tests.support import qr_codes
from tests.support.kits import same_shares, secret_words, shown_words
from tests.support.randomness import SeededChance
from vault import age
from vault.age import HybridIdentity, Identity
from vault.errors import KeyRefused, RefusedByRule, UsageError

IDENTITY = HybridIdentity.generate(SeededChance("kit"))
REPOSITORY = RepositorySettings(address="s3://backups/strongroom", endpoint="https://s3.example.org")
ID = "0123456789abcdef0123456789abcdef"
MADE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SHARES = KitOptions(shares=3, needed=2)
HOSTILE = "/srv/<script>alert(1)</script>\" onload='x' &amp;\n<img src=x>"


def kit_of(options: KitOptions = KitOptions(), repository: RepositorySettings = REPOSITORY) -> RecoveryKit:  # noqa: B008
    return RecoveryKit.of(IDENTITY, repository, ID, MADE, options)


def encoded(found: list[Identity]) -> list[str]:
    return [one.encode() for one in found if isinstance(one, HybridIdentity)]


def loaded(*files: Path) -> list[str]:
    return encoded(identities.load(IdentitySettings(), files))


def refused(*files: Path) -> str:
    with pytest.raises(KeyRefused) as error:
        loaded(*files)
    return f"{error.value} {error.value.hint}"


@pytest.fixture(autouse=True)
def _same_shares() -> Iterator[None]:
    with same_shares("this test"):
        yield


@pytest.fixture
def shares(tmp_path: Path) -> tuple[Path, ...]:
    options = KitOptions(shares=3, needed=2, text=tmp_path / "safe/kit.txt", page=tmp_path / "safe/kit.html")
    kit_of(options).write(options)
    return options.files_at(tmp_path / "safe/kit.txt")


def test_a_kit_in_one_piece_is_an_identity_file_that_says_where_it_belongs() -> None:
    kit = kit_of()
    text = kit.whole_text
    assert [one.encode() for one in age.parse_identities(text) if isinstance(one, HybridIdentity)] == [IDENTITY.encode()]
    assert f"# repository: {ID}\n" in text and f"# kit:        {kit.fingerprint}\n" in text
    assert "# address:    s3://backups/strongroom?endpoint=https://s3.example.org\n" in text
    (recover,) = [line for line in text.splitlines() if "strongroom recover" in line]
    assert shlex.split(recover)[1:] == shlex.split(kit.recover)
    assert kit.fingerprint == recovery_kit.fingerprint(IDENTITY)


def test_any_two_of_three_shares_are_an_identity_wherever_identity_files_are_taken(shares: tuple[Path, ...]) -> None:
    assert [file.name for file in shares] == ["kit-1-of-3.txt", "kit-2-of-3.txt", "kit-3-of-3.txt"]
    for pair in (*itertools.combinations(shares, 2), shares):
        assert loaded(*pair) == [IDENTITY.encode()]
    whole = shares[0].with_name("other.txt")
    other = HybridIdentity.generate(SeededChance("identity"))
    whole.write_text(f"{other.encode()}\n")
    assert loaded(whole, *shares[1:]) == [other.encode(), IDENTITY.encode()], "identities and shares together"


def test_a_share_encrypted_to_a_passphrase_is_a_share(shares: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = age.seal(shares[0].read_bytes(), [age.ScryptRecipient("open sesame", 2)], SeededChance("seal")).data
    shares[0].write_bytes(sealed)
    monkeypatch.setattr(identities, "_passphrase", lambda _what, _settings: "open sesame")
    assert loaded(*shares[:2]) == [IDENTITY.encode()]


def test_what_is_wrong_with_shares_names_the_file_and_never_the_words(shares: tuple[Path, ...], tmp_path: Path) -> None:
    words = re.sub(r"^#.*$|\d+", "", shares[0].read_text(), flags=re.MULTILINE).split()
    secret = secret_words(shares[0].read_text())

    def changed(change: Callable[[list[str]], list[str]]) -> Path:
        file = tmp_path / "typed.txt"
        file.write_text(" ".join(change(list(words))))
        return file

    swapped = changed(lambda found: [*found[:10], found[11], found[10], *found[12:]])
    assert "typed.txt does not fit" in (said := refused(swapped, shares[1])) and not secret & shown_words(said)
    short = changed(lambda found: found[:-1])
    assert "typed.txt has 32 words" in (said := refused(short, shares[1])) and not secret & shown_words(said)
    unknown = changed(lambda found: [*found[:4], "strongroom", *found[5:]])
    assert "typed.txt: word 5 is not" in (said := refused(unknown, shares[1])) and not secret & shown_words(said)
    said = refused(shares[0])
    assert "2 shares are needed" in said and "kit-1-of-3.txt is share 1" in said
    other = KitOptions(shares=3, needed=2, text=tmp_path / "other/kit.txt")
    RecoveryKit.of(HybridIdentity.generate(SeededChance("other")), REPOSITORY, ID, MADE, other).write(other)
    said = refused(shares[0], other.files[1])
    assert "different kits" in said and str(shares[0]) in said and str(other.files[1]) in said


def test_files_of_a_kit_are_private_and_nothing_is_written_over(tmp_path: Path) -> None:
    for number, options in enumerate((KitOptions(), SHARES)):
        folder = tmp_path / str(number)
        wanted = KitOptions(shares=options.shares, needed=options.needed, text=folder / "kit.txt", page=folder / "kit.html")
        wanted.check(tmp_path / "identity.txt")
        kit_of(wanted).write(wanted)
        assert sorted(folder.iterdir()) == sorted(wanted.files) and len(wanted.files) == (2 if options.shares is None else 6)
        assert {file.stat().st_mode & 0o777 for file in wanted.files} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        before = {file: file.read_bytes() for file in wanted.files}
        with pytest.raises(RefusedByRule, match="left alone"):
            wanted.check(tmp_path / "identity.txt")
        with pytest.raises(RefusedByRule, match="left alone"):
            kit_of(wanted).write(wanted)
        assert before == {file: file.read_bytes() for file in wanted.files}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (KitOptions(shares=3), "belong together"),
        (KitOptions(needed=2), "belong together"),
        (KitOptions(shares=3, needed=1), "not possible"),
        (KitOptions(shares=17, needed=2), "not possible"),
        (KitOptions(text=Path("kit"), page=Path("kit")), "named for the text and for the page"),
        (KitOptions(text=Path("keys/kit.txt")), "beside the identity"),
        (KitOptions(shares=3, needed=2, page=Path("keys/kit.html")), "beside the identity"),
    ],
)
def test_options_that_make_no_kit_are_refused(options: KitOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options.check(Path("keys/identity.txt"))


def test_the_codes_of_a_page_hold_the_secret_and_the_way_back() -> None:
    kit = kit_of()
    secret, command = qr_codes.texts(recovery_kit_page.page(kit, kit.pieces[0]))
    assert secret == IDENTITY.encode() and command == kit.recover
    of_shares = kit_of(SHARES)
    scanned = [qr_codes.texts(recovery_kit_page.page(of_shares, piece))[0] for piece in of_shares.pieces]
    texts = [identities.KeyText(f"scanned {number}", text) for number, text in enumerate(scanned)]
    for pair in itertools.combinations(texts, 2):
        assert encoded(identities.parsed(pair)) == [IDENTITY.encode()], "what a scanner gives is a share as it is"


def test_a_page_shows_what_is_in_its_codes_and_loads_nothing() -> None:
    for options in (KitOptions(), SHARES):
        kit = kit_of(options)
        for piece in kit.pieces:
            page = qr_codes.parsed(recovery_kit_page.page(kit, piece))
            shown = re.sub(r"\b\d+\b", "", page.text).split()
            assert set(piece.secret.split()) <= set(shown) and kit.fingerprint in page.text and ID in page.text
            assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
            assert not [
                one for _, found in page.tags for one in found if one in ("src", "href", "xlink:href") or one[:2] == "on"
            ]
            assert "default-src 'none'" in str(page.tags)


def test_hostile_texts_in_an_address_stay_texts() -> None:
    kit = kit_of(SHARES, RepositorySettings(address=HOSTILE))
    page = qr_codes.parsed(recovery_kit_page.page(kit, kit.pieces[0]))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [one for _, found in page.tags for one in found if one.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert all(line.startswith("#") or not line.strip() or line[:2].strip().isdigit() for line in kit.whole_text.splitlines())
    assert qr_codes.texts(recovery_kit_page.page(kit, kit.pieces[0]))[1] == kit.recover
    long = kit_of(KitOptions(), RepositorySettings(address="/" + "x" * 3000))
    assert qr_codes.texts(recovery_kit_page.page(long, long.pieces[0])) == [IDENTITY.encode()], "no telephone reads more"


def test_a_kit_of_another_repository_is_told_by_what_it_says_itself(tmp_path: Path) -> None:
    file = tmp_path / "kit.txt"
    file.write_text(kit_of().whole_text)
    recovery_kit.verify_repository([file], ID)
    with pytest.raises(KeyRefused, match=f"kit.txt is a recovery kit of the repository {ID}, and this one is {'f' * 32}"):
        recovery_kit.verify_repository([file], "f" * 32)
    file.write_text(f"{IDENTITY.encode()}\n")
    recovery_kit.verify_repository([file], "f" * 32)  # typed off the paper: it says nothing
    recovery_kit.verify_repository([tmp_path / "gone.txt"], ID)


def test_neither_a_kit_nor_its_pieces_show_what_they_hold() -> None:
    kit = kit_of(SHARES)
    for one in (kit, kit.pieces[0], identities.KeyText("where", "secret words")):
        assert (
            IDENTITY.encode() not in repr(one) and kit.pieces[0].words[6] not in repr(one) and "secret words" not in repr(one)
        )
