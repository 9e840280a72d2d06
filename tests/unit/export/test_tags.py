"""The texts of a bag, and the page for people."""

from __future__ import annotations

from restore.export import tags


def test_a_value_is_one_line_whatever_it_holds() -> None:
    text = tags.info([("For", "ticket 5\r\nPayload-Oxum: 0.0\u2028x\x1b[31m"), ("Empty", ""), ("Blank", " \n")])
    assert text == "For: ticket 5 Payload-Oxum: 0.0 x\\x1b[31m\n"


def test_a_manifest_is_sorted_by_the_bytes_of_its_paths() -> None:
    assert tags.manifest([("data/я", "3"), ("data/b", "2"), ("data/B", "1")]) == "1  data/B\n2  data/b\n3  data/я\n"


def test_the_oxum_counts_bytes_and_files() -> None:
    assert tags.oxum([]) == "0.0" and tags.oxum([5, 0]) == "5.2"
