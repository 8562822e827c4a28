"""Identity keys: the normalised strings under which a person, organisation or case is known.

`phone:+14155550123`, `email:casey@example.com`, `domain:example.com`, `handle:<channel>:<handle>`, `case:00001026`,
`ref:<name>:<value>` for other numbers that both sides know, such as `ref:order:a-17`, and, as a weak hint only,
`national:<digits>` for a number that was written without a country and fits no number of the org's own.
Two spellings of the same thing give the same key; what identifies nobody (a withheld number, a public mail domain)
gives None.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

_LONGEST_PHONE = 100
_FEWEST_NATIONAL_DIGITS = 7
_FEWEST_DIGITS = 8
"""Shorter numbers are short codes and extensions of somebody's switchboard: they name no customer."""

_NOT_A_NUMBER = ("client:", "sip:", "sips:")
_PHONE_SCHEMES = ("whatsapp:", "sms:", "rcs:", "tel:")
_PUNCTUATION = str.maketrans("", "", " -().\u00a0\u2011/")
_NORTH_AMERICAN = re.compile(r"(?:\+1|\+?1|)([2-9][0-9]{9})", re.ASCII)
_SPELT_PHONE = re.compile(r"[+(0-9\uff0b\uff10-\uff19\u0660-\u0669]")
_NORTH_AMERICAN_REGIONS = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])

HANDLE_CHANNELS = frozenset({"facebook", "instagram", "line", "telegram", "viber", "wechat", "whatsapp"})
"""Channels on which people are known by a name or number of their own."""

MEANINGS = frozenset({"phone", "email", "domain", "case"}) | HANDLE_CHANNELS
"""The words of `meant_key` that are no name of a number."""

_E164 = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)

_PLACEHOLDERS = ("1234567890", "0123456789", "123456789", "9876543210", "987654321")
"""Typed where a form insists on a number."""

_WITHHELD = frozenset({"+266696687", "+7378742833", "+17378742833", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, UNKNOWN and UNAVAILABLE as spelt on a dial (Twilio, "Why am I getting calls from these
strange numbers?", https://help.twilio.com/articles/223179988)."""

_EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]]{1,64}@((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,62})")
_LONGEST_EMAIL = 254
_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,62}")

_PUBLIC = """
126.com 139.com 163.com 189.cn aim.com alice.it aliyun.com aol.co.uk aol.com arcor.de att.net bellsouth.net
bigpond.com bluewin.ch bol.com.br bt.com btinternet.com charter.net comcast.net cox.net daum.net docomo.ne.jp
earthlink.net email.com email.cz embarqmail.com ezweb.ne.jp fastmail.com fastmail.fm foxmail.com free.fr
freemail.example freenet.de frontier.com frontiernet.net gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net
googlemail.com hanmail.net hey.com home.nl hotmail.be hotmail.ca hotmail.co.jp hotmail.co.uk hotmail.com
hotmail.com.ar hotmail.com.br hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hush.com hushmail.com
icloud.com ig.com.br inbox.com inbox.lv interia.pl juno.com kpnmail.nl laposte.net libero.it live.be live.ca
live.cn live.co.uk live.com live.com.au live.com.mx live.de live.fr live.it live.nl mac.com mail.com mail.de
mail.ru me.com msn.com nate.com naver.com neuf.fr ntlworld.com o2.pl online.de optonline.net optusnet.com.au
orange.fr outlook.be outlook.co.uk outlook.com outlook.com.au outlook.com.br outlook.de outlook.es outlook.fr
outlook.it outlook.jp pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com
roadrunner.com rocketmail.com rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.cn sina.com sky.com
skynet.be softbank.ne.jp sohu.com sympatico.ca t-online.de talktalk.net telenet.be telus.net terra.com.br tin.it
tiscali.it tuta.com tutanota.com ukr.net uol.com.br verizon.net virgilio.it virgin.net virginmedia.com
wanadoo.fr web.de windstream.net wp.pl xtra.co.nz yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.kr
yahoo.co.nz yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.hk yahoo.com.mx yahoo.com.ph
yahoo.com.sg yahoo.com.tw yahoo.com.vn yahoo.de yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.nl
yahoo.pl yahoo.se yandex.com yandex.ru yeah.net ymail.com zoho.com
facebook.com instagram.com linkedin.com linktr.ee twitter.com x.com youtube.com
"""
PUBLIC_MAIL_DOMAINS = frozenset(_PUBLIC.split())
"""Hosts that thousands of unrelated people share: mail providers, and sites where companies keep a page."""

_MAILBOXES = """
accounting accounts accountspayable admin administration ap ar billing bookings buchhaltung compras contabilidad contact
contacto contactus customercare customerservice desk dispatch einkauf enquiries facturation finance frontdesk hello help
helpdesk hr info information inquiries invoices invoicing it jobs kontakt mail marketing noreply no-reply office
operations ops orders parts payroll postmaster procurement purchasing reception rechnung reservations sales scheduling
secretary service support team vendas ventas verkauf verwaltung webmaster
"""
SHARED_MAILBOXES = frozenset(_MAILBOXES.split())
"""What stands before the @ where an address belongs to an office, and whoever is in answers it."""


def phone_key(text: str, region: str = "US") -> str | None:
    """The key of a phone number in any spelling, `region` being where a national one was meant; extensions are dropped.

    None for withheld numbers, words, short codes, `client:` and `sip:` addresses. Numbers only have to be *possible*:
    whether they are assigned changes, and the fictional 555-01xx are not.
    """
    if len(text) > _LONGEST_PHONE:
        return None
    return _plain(_compact(text), region) or _spelt(text, region)


def _compact(text: str) -> str:
    """The number without what only parts its groups; most come without."""
    return text if text.lstrip("+").isdecimal() else text.translate(_PUNCTUATION)


def _plain(compact: str, region: str) -> str | None:
    """The key of a number of digits alone; what is not plain is parsed, which takes thirty times as long."""
    if compact[:1] == "+" or region in _NORTH_AMERICAN_REGIONS:
        plain = _NORTH_AMERICAN.fullmatch(compact)
        if plain and (compact[0] != "+" or compact[1] == "1"):
            return _unless_withheld("+1" + plain[1])
        if _E164.fullmatch(compact) and _is_plain_international(compact):
            return _unless_withheld(compact)
        return None
    dialled = _dialled_at_home(region)
    national = dialled.number.fullmatch(compact) if dialled else None
    if dialled and national and len(national[1]) in dialled.lengths:
        return _unless_withheld(f"+{dialled.code}{national[1]}")
    return None


@lru_cache(maxsize=8192)
def _spelt(text: str, region: str) -> str | None:
    spelt = text.strip()
    if spelt.lower().startswith(_NOT_A_NUMBER):
        return None
    spelt = _without_scheme(spelt)
    return _plain(_compact(spelt), region) or _parsed(spelt, region)


def phone_keys(text: str, region: str) -> tuple[str, ...]:
    """The keys of what a person typed into a phone field: several numbers, with extensions, labels and remarks.

    A number that is none in `region`, and has no country, is kept as a `national:` key. See `foreign_key`.
    """
    if "/" not in text and len(text) <= _LONGEST_PHONE and (key := _plain(_compact(text), region)):
        return (key,)
    return tuple(dict.fromkeys(key for part in _parts(text, region) for key in _keys_of(part, region)))


def foreign_key(key: str, region: str) -> str | None:
    """The `phone:` key of a number from abroad as it stands where somebody typed it without its country.

    What is typed so is taken for a number of `region` where it could be one, and has a `national:` key otherwise.
    None for a number of the region itself.
    """
    number = key.removeprefix("phone:")
    return None if number.startswith(_code_of(region)) else _foreign(number, region)


@lru_cache(maxsize=8192)
def _foreign(number: str, region: str) -> str | None:
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return None
    spelt = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    return phone_key(spelt, region) or _national_key(spelt)


def email_key(text: str) -> str | None:
    """The key of an e-mail address, or None if it cannot be one; nobody's mail server is asked."""
    address = text.strip().casefold().removeprefix("mailto:")
    if len(address) > _LONGEST_EMAIL or not _EMAIL.fullmatch(address):
        return None
    local, _, domain = address.rpartition("@")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    host = _ascii(domain)
    return f"email:{local}@{host}" if host else None


def domain_key(text: str, also_public: Collection[str] = ()) -> str | None:
    """The key of the organisation behind an e-mail address or website; None for domains that strangers share.

    `also_public` adds domains to `PUBLIC_MAIL_DOMAINS`.
    """
    host = _host(text.strip().casefold())
    if host is None or host in PUBLIC_MAIL_DOMAINS or host in also_public:
        return None
    return f"domain:{host}"


def is_domain(key: str) -> bool:
    """Whether a key is an organisation's, and nobody's own."""
    return key.startswith("domain:")


def handle_key(channel: str, handle: str) -> str | None:
    """The key of a person's name on a social or messaging channel, where letter case means nothing."""
    name = handle.strip().removeprefix("@").casefold()
    return f"handle:{channel.casefold()}:{name}" if name else None


def case_key(number: str) -> str | None:
    """The key of a case number as people write it: `#1026` is 00001026, the eight digits that Salesforce shows."""
    spelt = number.strip().removeprefix("#").strip().upper()
    if not spelt:
        return None
    return f"case:{spelt.zfill(8) if spelt.isdecimal() and spelt.isascii() else spelt}"


def reference_key(name: str, value: str) -> str | None:
    """The key of a number that both sides know under one name, such as an order's or a customer's."""
    spelt = value.strip().casefold()
    return f"ref:{name.casefold()}:{spelt}" if spelt else None


def meant_keys(meaning: str, text: str, region: str) -> tuple[str, ...]:
    """The keys of what a field holds, of which a phone field may have several.

    That is a `phone`, an `email`, a `domain`, a `case` number, a handle on one of `HANDLE_CHANNELS`, or else a number
    of the name `meaning`.
    """
    if meaning == "phone":
        return phone_keys(text, region)
    key = _meant_key(meaning, text, region)
    return (key,) if key else ()


def _meant_key(meaning: str, text: str, region: str) -> str | None:
    match meaning:
        case "email":
            return email_key(text)
        case "domain":
            return domain_key(text)
        case "case":
            return case_key(text)
    if meaning in HANDLE_CHANNELS:
        return phone_key(text, region) or handle_key(meaning, text)
    return reference_key(meaning, text)


def spoken(key: str) -> str:
    """The key within a sentence."""
    kind, _, value = key.partition(":")
    if kind == "ref":
        name, _, number = value.partition(":")
        return f"the {name.replace('_', ' ')} {number}"
    return f"the {_SPOKEN.get(kind, 'handle')} {value}"


_SPOKEN = {"phone": "number", "national": "number", "email": "e-mail"}


def opening(key: str) -> str:
    """The key at the beginning of a sentence."""
    return "T" + spoken(key)[1:]


def is_shared_mailbox(key: str, also_shared: Collection[str] = ()) -> bool:
    """Whether an `email:` key is that of an office, such as info@; `also_shared` adds to `SHARED_MAILBOXES`."""
    local = key[6 : key.rfind("@")]
    return local in SHARED_MAILBOXES or local in also_shared


_SEPARATOR = re.compile(r"\s*(?:[;,|&\n]|\s/\s|\b(?:or|and|oder|und|ou|et|y|o)\b)\s*", re.IGNORECASE)
_LAST_DIGITS = re.compile(r"/\s*(\d{1,4})$")
_DIGIT = re.compile(r"\d")
_NATIONAL = re.compile(r"[\d\s().\-/]+")


def _parts(text: str, region: str) -> list[str]:
    """The numbers of a field apart. What stands between the groups of one number parts nothing."""
    parts: list[str] = []
    begin = 0
    for separator in _SEPARATOR.finditer(text):
        if len(_DIGIT.findall(text, begin, separator.start())) >= _FEWEST_NATIONAL_DIGITS:
            parts += _with_sibling(parts, text[begin : separator.start()], region)
            begin = separator.start() if text[separator.start() : separator.end()].strip() == "/" else separator.end()
    return parts + _with_sibling(parts, text[begin:], region)


def _with_sibling(before: list[str], part: str, region: str) -> list[str]:
    """`…0123 / 0124` and `…0123/24` are two numbers that differ in their last digits."""
    last = _LAST_DIGITS.search(part.strip())
    first = part.strip()[: last.start()].strip() if last else part.strip()
    whole = first or (before[-1] if before else "")
    if last is None or not whole[-1:].isdecimal() or not _is_whole(whole, part, region):
        return [part.strip().lstrip("/ ")]
    sibling = whole[: -len(last[1])] + last[1]
    return [first, sibling] if first else [sibling]


def _is_whole(number: str, longer: str, region: str) -> bool:
    """Whether it is a number without the digits that follow in the longer one."""
    if len(_DIGIT.findall(number)) < _FEWEST_NATIONAL_DIGITS:
        return False
    return phone_key(number, region) is not None or phone_key(longer, region) is None


def _keys_of(part: str, region: str) -> list[str]:
    if key := phone_key(part, region) or (part.startswith("00") and phone_key("+" + part[2:].strip(), region)):
        return [key]
    if len(_DIGIT.findall(part)) < _FEWEST_NATIONAL_DIGITS or len(part) > _LONGEST_PHONE or "@" in part:
        return []
    if part.strip().lower().startswith(_NOT_A_NUMBER):
        return []
    found = phonenumbers.PhoneNumberMatcher(part, region, leniency=phonenumbers.Leniency.POSSIBLE)
    keys = [key for match in found if (key := phone_key(match.raw_string, region))]
    if not keys and (national := _national_key(part)):
        return [national]
    return keys


def _national_key(spelt: str) -> str | None:
    digits = "".join(_DIGIT.findall(spelt)).lstrip("0")
    if not _NATIONAL.fullmatch(spelt) or not _FEWEST_DIGITS <= len(digits) <= 12 or len(set(digits[-7:])) == 1:
        return None
    return None if digits in _PLACEHOLDERS else f"national:{digits}"


@lru_cache(maxsize=300)
def _code_of(region: str) -> str:
    """What its numbers begin with; where there is no such region, what none does."""
    return f"+{phonenumbers.country_code_for_region(region)}"


def _without_scheme(spelt: str) -> str:
    lowered = spelt.lower()
    for scheme in _PHONE_SCHEMES:
        if lowered.startswith(scheme):
            # phonenumbers reads tel: itself, with ;ext= and ;phone-context=
            return spelt if scheme == "tel:" and ";" in spelt else spelt[len(scheme) :].strip()
    return spelt


def _is_plain_international(number: str) -> bool:
    """Whether an E.164 number can stay as it is: of a possible length, and without a national prefix to take out.

    Ten times faster than parsing it, with the same answer; what is not plain is parsed.
    """
    for digits in (1, 2, 3):
        known = _calling_code(number[1 : 1 + digits])
        if known:
            lengths, prefix = known
            national = number[1 + digits :]
            return len(national) in lengths and not (prefix and prefix.match(national))
    return False


@lru_cache(maxsize=1200)
def _calling_code(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """The lengths of a calling code's numbers, and the prefixes that are dialled at home only."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None:
        return None
    known = PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    if known is None or known.general_desc is None:
        return None
    prefix = known.national_prefix_for_parsing
    return frozenset(known.general_desc.possible_length), re.compile(prefix) if prefix else None


@dataclass(frozen=True, slots=True)
class _DialledAtHome:
    """How a country's numbers are dialled there: a prefix and the number, of which the lengths that are possible."""

    code: str
    number: re.Pattern[str]
    lengths: frozenset[int]


@lru_cache(maxsize=300)
def _dialled_at_home(region: str) -> _DialledAtHome | None:
    """None where a number cannot be told by a prefix alone."""
    known = PhoneMetadata.metadata_for_region(region, None)
    if known is None or known.general_desc is None or known.national_prefix_transform_rule:
        return None
    prefix = known.national_prefix
    if not prefix or (known.national_prefix_for_parsing or "").split("|")[0] != prefix:
        return None
    # What begins as a call abroad does is one; a number that itself begins with 0 keeps it, and one that begins with
    # its own country's code may be written with that.
    itself = f"(?!0|{known.country_code})(?:{known.general_desc.national_number_pattern})"
    pattern = f"(?!{known.international_prefix}){prefix}({itself})"
    number = re.compile(pattern, re.ASCII)
    lengths = frozenset(each for each in known.general_desc.possible_length if each >= _FEWEST_NATIONAL_DIGITS)
    return _DialledAtHome(str(known.country_code), number, lengths)


def _parsed(spelt: str, region: str) -> str | None:
    if not spelt.lower().startswith("tel:") and not _SPELT_PHONE.match(spelt):
        return None
    try:
        number = phonenumbers.parse(spelt, region)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    key = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    is_national = spelt[0] not in "+\uff0b"
    if len(key) <= _FEWEST_DIGITS or (is_national and len(str(number.national_number)) < _FEWEST_NATIONAL_DIGITS):
        return None
    return _unless_withheld(key)


def _unless_withheld(number: str) -> str | None:
    """Switches fill in zeros or one repeated digit for callers who hide their number."""
    if number in _WITHHELD or number[-7:] == number[-1] * 7 or number.endswith(_PLACEHOLDERS):
        return None
    return f"phone:{number}"


def _host(text: str) -> str | None:
    if "@" in text and "//" not in text:
        key = email_key(text)
        return key.rpartition("@")[2] if key else None
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    host = (host or "").rstrip(".").removeprefix("www.")
    return _ascii(host) if _HOST.fullmatch(host) else None


def _ascii(host: str) -> str | None:
    """International names in the one spelling that DNS has for them."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
