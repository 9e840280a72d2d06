"""Identities in shares by SLIP-39: any so many give it back; what is wrong is named by share and place, never by its words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import combine_mnemonics, generate_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from tests.support.kits import same_shares, secret_words, shown_words
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.errors import KeyRefused, UsageError
from vault.format import identity_shares
from vault.format.identity_shares import Share, combined, is_share, split

IDENTITY = HybridIdentity.generate(SeededChance("kit"))
OTHER = HybridIdentity.generate(SeededChance("another kit"))
with same_shares("two of three"):
    TWO_OF_THREE = split(IDENTITY, 3, 2)


@pytest.fixture(autouse=True)
def _same_shares() -> Iterator[None]:
    with same_shares("this test"):
        yield


def parsed(texts: list[str], name: str = "share") -> list[Share]:
    return [Share.parse(text, f"{name}-{number}.txt") for number, text in enumerate(texts, 1)]


def refused(texts: list[str], *more: Share) -> str:
    """What is said of shares that give no identity; no word of theirs is in it."""
    with pytest.raises(KeyRefused) as error:
        combined([*parsed(texts), *more])
    said = f"{error.value} {error.value.hint}"
    assert not {word for text in texts for word in secret_words(text)} & shown_words(said), said
    return said


def test_every_subset_that_is_large_enough_gives_the_identity_and_no_smaller_one_does() -> None:
    texts = split(IDENTITY, 5, 3)
    for size in range(1, 6):
        for subset in itertools.combinations(texts, size):
            if size >= 3:
                (found,) = combined(parsed(list(subset)))
                assert found.encode() == IDENTITY.encode()
            else:
                assert "3 shares are needed" in refused(list(subset))


@pytest.mark.parametrize(("shares", "needed"), [(2, 2), (16, 2), (16, 16)])
def test_the_smallest_and_the_largest_numbers_work(shares: int, needed: int) -> None:
    texts = list(split(IDENTITY, shares, needed))
    assert combined(parsed(texts[-needed:]))[0].encode() == IDENTITY.encode()
    assert combined(parsed(texts))[0].encode() == IDENTITY.encode()


@pytest.mark.parametrize(("shares", "needed"), [(1, 1), (3, 1), (2, 3), (17, 2), (0, 0), (-1, -2)])
def test_numbers_that_cannot_be_are_refused(shares: int, needed: int) -> None:
    with pytest.raises(UsageError, match="not possible"):
        split(IDENTITY, shares, needed)


def test_the_librarys_own_function_recovers_the_seed_without_a_passphrase() -> None:
    assert combine_mnemonics(TWO_OF_THREE[:2]) == IDENTITY.seed


def test_too_few_shares_say_how_many_are_missing_and_which_are_there() -> None:
    said = refused([TWO_OF_THREE[1]])
    assert "2 shares are needed, and there is 1 (share-1.txt is share 2)" in said and "1 other share" in said
    assert "the same share was given twice" in refused([TWO_OF_THREE[0], TWO_OF_THREE[0]])
    assert "3 shares are needed, and there are 2" in refused(list(split(IDENTITY, 4, 3)[:2]))


def test_shares_of_two_kits_are_named() -> None:
    other = split(OTHER, 3, 2)
    said = refused([TWO_OF_THREE[0], other[1]])
    assert "different kits" in said and "share-1.txt" in said and "share-2.txt" in said
    assert "different kits" in refused([TWO_OF_THREE[0], TWO_OF_THREE[1], other[2]])
    both = combined(parsed([*TWO_OF_THREE[:2], *other[1:]]))
    assert [one.encode() for one in both] == [IDENTITY.encode(), OTHER.encode()], "two whole kits are two identities"


def test_shares_that_bear_the_same_beginning_and_are_of_two_kits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shamir_mnemonic.shamir._random_identifier", lambda: 12345)
    one, other = split(IDENTITY, 3, 2), split(OTHER, 3, 2)
    assert "do not fit each other: share-1.txt, share-2.txt" in refused([one[0], other[1]])
    assert "both share 1, and differ" in refused([one[0], other[0]])
    assert "do not fit each other" in refused([one[0], one[1], other[2]]), "one beyond the needed ones is looked at, too"


@pytest.mark.parametrize("place", range(identity_shares.WORDS))
def test_one_wrong_word_is_found_by_its_place(place: int) -> None:
    words = TWO_OF_THREE[0].split()
    chosen = random.Random(place)
    # the flag in the second word says how the checksum begins: a wrong one there may be found or not
    others = [word for word in WORDLIST if place != 1 or WORDLIST.index(word) >> 4 & 1]
    for word in chosen.sample([one for one in others if one != words[place]], 20):
        said = refused([" ".join([*words[:place], word, *words[place + 1 :]])])
        assert f"share-1.txt does not fit: most likely word {place + 1} is wrong" in said


def test_words_that_are_not_in_the_list_are_named_by_their_places() -> None:
    words = TWO_OF_THREE[0].split()
    words[6], words[20] = "hypothesis", "x"
    assert "share-1.txt: words 7, 21 are not words of SLIP-39's list" in refused([" ".join(words)])
    assert "words 1, 2, 3, 4, 5 and more" in refused([" ".join(["zzzz"] * 33)])
    assert "word 1 is not a word" in refused([" ".join([f"{TWO_OF_THREE[0].split()[0]}x", *TWO_OF_THREE[0].split()[1:]])])


def test_words_in_another_order_missing_or_too_many_are_told() -> None:
    words = TWO_OF_THREE[0].split()
    assert "words are wrong, missing, or in another order" in refused([" ".join(reversed(words))])
    assert "has 32 words where a share of a recovery kit has 33: one word is missing" in refused([" ".join(words[1:])])
    assert "has 34 words" in refused([" ".join([*words, words[0]])])
    assert "has 0 words" in refused([""])


def test_a_share_is_read_as_it_is_printed_with_numbers_rows_comments_capitals_and_short_words() -> None:
    words = TWO_OF_THREE[0].split()
    rows = "\n".join(f"{number:>3}. {word[:4].upper()}" for number, word in enumerate(words, 1))
    typed = Share.parse(f"\ufeff# a comment with words\n{rows}\n", "typed")
    assert (typed.number, typed.needed) == (1, 2)
    assert combined([typed, *parsed([TWO_OF_THREE[2]])])[0].encode() == IDENTITY.encode()
    assert "word 3 is not a word" in refused([" ".join([*words[:2], words[2][:3], *words[3:]])]), "three letters are too few"


def test_shares_of_another_purpose_are_refused() -> None:
    seed = IDENTITY.seed
    (first, *_), _ = generate_mnemonics(2, [(2, 3), (2, 3)], seed)
    assert "not one of a recovery kit" in refused([first])
    ((whole,),) = generate_mnemonics(1, [(1, 1)], seed)
    assert "not one of a recovery kit" in refused([whole])
    short = generate_mnemonics(1, [(2, 3)], seed[:16])[0][0]
    assert "has 20 words" in refused([short])


def test_work_that_a_hostile_share_asks_for_is_refused() -> None:
    from shamir_mnemonic import Share as Slip39Share

    heavy = Slip39Share(
        1,
        iteration_exponent=15,
        extendable=True,
        group_index=0,
        group_threshold=1,
        group_count=1,
        index=0,
        member_threshold=2,
        value=bytes(32),
    ).mnemonic()
    assert "not one of a recovery kit" in refused([heavy])


def test_a_share_is_told_from_an_identity_and_from_other_texts() -> None:
    words = TWO_OF_THREE[0].split()
    assert is_share(TWO_OF_THREE[0]) and is_share("\n".join(words)) and is_share(" ".join(["mistyped", *words[1:]]))
    assert not is_share(f"# a comment\n{IDENTITY.encode()}\n")
    assert not is_share("") and not is_share(" ".join(words[:5]))
    assert not is_share("Strongroom takes sealed and compressed snapshots of the reports of all clients every hour")
    assert TWO_OF_THREE[0].split()[5] not in repr(Share.parse(TWO_OF_THREE[0], "share-1.txt"))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(0, 4))
def test_whatever_the_identity_and_the_numbers_are_it_comes_back(seed: int, needed: int, spare: int) -> None:
    identity = HybridIdentity.generate(SeededChance(seed))
    texts = list(split(identity, needed + spare, needed))
    random.Random(seed).shuffle(texts)
    assert combined(parsed(texts[:needed]))[0].encode() == identity.encode()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_no_text_is_more_than_refused(text: str) -> None:
    is_share(text)
    with pytest.raises(KeyRefused):
        Share.parse(text, "any text")
