"""matching.yaml: what it becomes, and what is said about every mistake in it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.bootstrap import match_policy
from gateway.domain.policies import MatchPolicy
from gateway.errors import ConfigError


def policy(folder: Path, text: str) -> MatchPolicy:
    (folder / "matching.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    return match_policy(folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        policy(folder, text)
    return [problem.removeprefix(f"{folder / 'matching.yaml'}:") for problem in caught.value.problems]


def test_the_shipped_file_says_what_holds_without_it(tmp_path):
    shipped = match_policy(tmp_path)

    assert shipped == replace(MatchPolicy(version="0"), version=shipped.version)


def test_what_a_file_does_not_say_is_as_shipped(tmp_path):
    found = policy(tmp_path, 'version: "7"\nweights: {phone: 65}\npublic_domains: [ISP.example]\nregions: [GB, DE]\n')

    assert found == MatchPolicy(version="7", phone=65, public_domains=frozenset({"isp.example"}), regions=("GB", "DE"))


def test_reference_rules_are_compiled(tmp_path):
    found = policy(
        tmp_path,
        r"""
        version: "7"
        references:
          - {name: order, from: attributes.order, pattern: "A-\\d+"}
          - {name: case_number, from: subject, pattern: "\\[(\\d{8})\\]"}
        """,
    )
    order, number = found.references

    assert (order.name, order.source({"attributes": {"order": "A-17"}}), order.pattern.pattern) == (
        "order", "A-17", r"A-\d+",
    )  # fmt: skip
    assert number.pattern.search("[00001026] Panels")[1] == "00001026"


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    assert problems(
        tmp_path,
        """\
        verion: "1"
        threshold: 0
        margin: high
        domain_share: 0.5
        half_life: true
        weights:
          phone: -3
          other_name: 20
          fone: 4
        references:
          - {name: Order!, from: "a[", pattern: "("}
          - {nam: x}
        regions: [us]
        public_domains: gmail.com
        mailboxes: [5]
        """,
    ) == [
        "1: version: is missing; add it",
        (
            '1: verion: no such setting; did you mean "version"? (known: version, threshold, margin, half_life,'
            " domain_share, weights, public_domains, mailboxes, regions, references)"
        ),
        "2: threshold: must be more than 0",
        "3: margin: must be a number",
        "4: domain_share: must be more than 0.5, and 1 at most",
        "5: half_life: must be a number",
        "7: weights.phone: must be 0 or more; what speaks for somebody takes nothing away",
        "8: weights.other_name: must be 0 or less; it speaks against somebody",
        (
            '9: weights.fone: no such setting; did you mean "phone"? (known: reference, remembered, email, phone, handle,'
            " supplied, case_contact, mailbox, national, name, first_name, account, domain, verified, relative, other_name)"
        ),
        "11: references.0.name: must be of a-z, 0-9 and _, and begin with a letter",
        "11: references.0.from: is not a JMESPath expression (Invalid jmespath expression: Incomplete expression:)",
        "11: references.0.pattern: is not a regular expression: missing ), unterminated subpattern at position 0",
        "12: references.1.name: is missing; add it",
        "12: references.1.from: is missing; add it",
        "12: references.1.pattern: is missing; add it",
        '12: references.1.nam: no such setting; did you mean "name"? (known: name, from, pattern)',
        "13: regions.0: is not a country of two capital letters, such as US, DE or JP",
        "14: public_domains: must be a list, of lines that begin with -",
        "15: mailboxes.0: must be text; a number needs quotes",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", '1: the file is empty; write your settings into it. A small one:\n\nversion: "2"\nweights: {phone: 65}\n'),
        ("- 1\n", '1: the file must be a mapping. A small one:\n\nversion: "2"\nweights: {phone: 65}\n'),
        ('version: "2', "1: a quote is opened here and never closed"),
        ('version: "2"\nversion: "3"\n', "2: version: stands twice, first in line 1; keep one"),
        ('version: "2"\nthreshold: .inf\n', "2: threshold: must be a number"),
        ('version: "2"\nweights:\n', "2: weights: has no value; give it one, or remove the line"),
    ],
)
def test_what_is_no_such_file(tmp_path, text, problem):
    assert problems(tmp_path, text) == [problem]
