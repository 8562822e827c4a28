"""How far two spellings of a person's name agree: typos, initials, short forms and the order of words are tolerated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler


class Agreement(IntEnum):
    """From contradiction to agreement; PARTLY is a first name or an initial that fits, and says little."""

    OTHER = -2
    """Another person, as far as the name goes."""
    RELATIVE = -1
    """Another first name with the same last name."""
    UNCLEAR = 0
    PARTLY = 1
    SAME = 2


_SHORT = """
abigail abby; abraham abe; alexander alex al sasha; alexandra alex sandra; alfred al fred; allison ally; amanda mandy;
andrew andy drew; angela angie; ann anne anna annie nancy; anthony tony; antonio tony; barbara barb; benjamin ben;
catherine katherine kathryn cathy kathy kate katie; charles charlie chuck; christina christine tina chris; christopher
chris; cynthia cindy; daniel dan danny; david dave; deborah debra deb debbie; donald don; dorothy dot; edward ed eddie
ted; eleanor ellie; elizabeth liz beth betty lisa eliza; emily em; eugene gene; francis frank; francisco paco frank;
frederick fred; gabriel gabe; gerald jerry; gregory greg; guillermo memo; harold harry; henry hank harry; isabella
bella; jacob jake; jacqueline jackie; james jim jimmy jamie; janet jan; jeffrey jeff; jennifer jen jenny; jessica jess;
johannes hans; john johnny jack jon; jonathan jon; jose pepe; joseph joe joey; joshua josh; judith judy; kenneth ken;
kimberly kim; lawrence larry; leonard leo len; louis lou; manuel manny; margaret maggie meg peggy; martha marty; matthew
matt; maximilian max; melissa mel; michael mike mick; nathaniel nathan nate; nicholas nick; pamela pam; patricia pat
patty trish; patrick pat; peter pete; philip phillip phil; priscilla cilla; rachel rae; raymond ray; rebecca becky;
richard rick dick rich; robert bob rob bobby; ronald ron; russell russ; samantha sam; samuel sam; sandra sandy; sarah
sara sally; sebastian seb; stanley stan; stephanie steph; stephen steven steve; susan sue suzy; suzanne sue; theodore
ted theo; theresa teresa terry; thomas tom; timothy tim; tobias toby; valentina val; veronica ronnie; victoria vicky;
vincent vince; virginia ginny; walter walt; wilhelm willi; william bill will billy; zachary zach
"""


def _short_forms() -> dict[str, frozenset[int]]:
    """The groups in which a first name stands; two that share one may be one person's."""
    groups: dict[str, frozenset[int]] = {}
    for number, group in enumerate(_SHORT.split(";")):
        for name in group.split():
            groups[name] = groups.get(name, frozenset()) | {number}
    return groups


_GROUPS = _short_forms()
_TITLE_WORDS = "mr mrs ms miss mx dr prof sir herr frau sr jr ii iii phd md dipl ing"
_TITLES = frozenset(_TITLE_WORDS.split())
_OTHER_WORDS = """
anonymous blocked caller cell center centre co company corp corporation gmbh guest household inc incoming info limited
llc ltd mobile name none not phone plc private provided reception restricted service services support team test the toll
unavailable unknown user visitor web wireless withheld
"""
_NO_PERSON = frozenset(_OTHER_WORDS.split())
_PLACE = re.compile(
    r"[A-Z .]+ (?:A[KLRZ]|C[AOT]|DC|DE|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT"
    r"|V[AT]|W[AIVY])"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LONGEST = 120
_LEAST_ALIKE = 0.92
_LEAST_TYPO = 4


@lru_cache(maxsize=8192)
def words_of_name(name: str) -> tuple[str, ...]:
    """The words of a person's name in small letters, without accents and titles."""
    plain = name[:_LONGEST].casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    words = [word.replace("'", "").replace("’", "") for word in _WORD.findall(plain)]
    return tuple([word for word in words if word not in _TITLES])


def agreement(given: str, known: str) -> Agreement:
    """How the name given agrees with the one that is known, the known one being a record's full name."""
    told, record = words_of_name(given), words_of_name(known)
    if not told or not record:
        return Agreement.UNCLEAR
    if sorted(told) == sorted(record):
        return Agreement.SAME if len(told) > 1 else Agreement.PARTLY
    return Agreement.UNCLEAR if _is_no_person(given, told) else _compared(told, record)


def is_person(given: str) -> bool:
    """Whether this may be somebody's name: words without digits, and none that stands in the place of a name."""
    words = words_of_name(given)
    return bool(words) and not any(map(str.isdigit, given)) and not _is_no_person(given, words)


def _is_no_person(given: str, told: tuple[str, ...]) -> bool:
    """Telephone systems tell a place, a company or WIRELESS CALLER in the field of the caller's name."""
    return "@" in given or not _NO_PERSON.isdisjoint(told) or bool(_PLACE.fullmatch(given))


def _compared(told: tuple[str, ...], record: tuple[str, ...]) -> Agreement:
    left = list(record)
    whole = initials = 0
    for word in sorted(told, key=len, reverse=True):
        if fitting := _fitting(word, left, _is_same):
            whole += 1
        elif fitting := _fitting(word, left, _is_initial):
            initials += 1
        if fitting:
            left.remove(fitting)
    strangers = len(told) - whole - initials
    if strangers and left:
        return _contradiction(told, record, whole)
    if whole and whole + initials > 1:
        return Agreement.SAME
    return Agreement.PARTLY if whole else Agreement.UNCLEAR


def _fitting(word: str, others: Sequence[str], fits: Callable[[str, str], bool]) -> str | None:
    for other in others:
        if fits(word, other):
            return other
    return None


def _contradiction(told: tuple[str, ...], record: tuple[str, ...], whole: int) -> Agreement:
    """Words on both sides that fit nothing. One word alone may be a pet name; a first name outlives a last one."""
    if not whole:
        return Agreement.OTHER if len(told) > 1 and len(record) > 1 else Agreement.UNCLEAR
    if whole > 1:
        return Agreement.UNCLEAR
    last = record[-1]
    return Agreement.RELATIVE if any(_is_same(word, last) for word in told) else Agreement.UNCLEAR


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    groups = _GROUPS.get(one)
    if groups and not groups.isdisjoint(_GROUPS.get(other, ())):
        return True
    if one[0] != other[0] and one[1:2] != other[1:2]:
        return False
    if min(len(one), len(other)) < _LEAST_TYPO:
        return False
    if DamerauLevenshtein.distance(one, other, score_cutoff=1) <= 1:
        return True
    return JaroWinkler.similarity(one, other, score_cutoff=_LEAST_ALIKE) > 0 and abs(len(one) - len(other)) <= 2


def _is_initial(one: str, other: str) -> bool:
    return min(len(one), len(other)) == 1 and one[0] == other[0]
