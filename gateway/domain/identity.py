"""Identity keys: the normalised strings under which a person, organisation or case is known.

`phone:+14155550123`, `email:casey@example.com`, `domain:example.com`, `handle:<channel>:<handle>`, `case:00001026`,
`ref:<name>:<value>` for other numbers that both sides know, such as `ref:order:a-17`.
Two spellings of the same thing give the same key; what identifies nobody (a withheld number, a public mail domain)
gives None.
"""

from __future__ import annotations

import re
from collections.abc import Collection
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

_E164 = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)

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


@lru_cache(maxsize=8192)
def phone_key(text: str, region: str = "US") -> str | None:
    """The key of a phone number in any spelling, `region` being where a national one was meant; extensions are dropped.

    None for withheld numbers, words, short codes, `client:` and `sip:` addresses. Numbers only have to be *possible*:
    whether they are assigned changes, and the fictional 555-01xx are not.
    """
    spelt = text.strip()
    if len(spelt) > _LONGEST_PHONE or spelt.lower().startswith(_NOT_A_NUMBER):
        return None
    spelt = _without_scheme(spelt)
    compact = spelt.translate(_PUNCTUATION)
    if region in _NORTH_AMERICAN_REGIONS or compact[:1] == "+":
        plain = _NORTH_AMERICAN.fullmatch(compact)
        if plain and (compact[0] != "+" or compact[1] == "1"):
            return _unless_withheld("+1" + plain[1])
    if _E164.fullmatch(compact) and _is_plain_international(compact):
        return _unless_withheld(compact)
    return _parsed(spelt, region)


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
    if number in _WITHHELD or len(set(number[-7:])) == 1:
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
