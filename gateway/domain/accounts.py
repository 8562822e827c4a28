"""Which account: the one that the evidence names, that all who could be meant share, or that is above all of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from gateway.domain.identity import opening
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import ACCOUNT, Known, Record


class AccountChoice(Struct, frozen=True):
    """The account, if the evidence names one, and why: a sentence, or nothing where it goes without saying."""

    record: Record | None
    reason: str = ""


def account_of_person(
    person: Record, named: Record | None, keys: Sequence[str], domain: str | None, known: Known
) -> AccountChoice:
    """The person's own account; of several, the one that was named, or whose the number, address or domain is."""
    direct = known.by_id.get(person.account_id or "")
    related = known.related.get(person.id)
    if not related:
        return AccountChoice(direct)
    theirs = {id: known.by_id[id] for id in (person.account_id, *related) if id and id in known.by_id}
    if named and named.id in theirs:
        return AccountChoice(theirs[named.id], f"Of their accounts, {named.name} was named.")
    owners = {record.id for key in keys for record in known.by_key.get(key, ()) if record.id in theirs}
    if len(owners) == 1 and (owner := theirs[owners.pop()]):
        return AccountChoice(owner, f"Of their accounts, the number or address is that of {owner.name}.")
    if domain and len(shown := theirs.keys() & known.domains.get(domain, {}).keys()) == 1:
        account = theirs[shown.pop()]
        return AccountChoice(account, f"Of their accounts, the e-mail domain is that of {account.name}.")
    return AccountChoice(direct or (next(iter(theirs.values())) if len(theirs) == 1 else None))


def shared_account(people: Sequence[Record], known: Known) -> AccountChoice:
    """The account that all of them belong to, or the nearest one above all of theirs."""
    each = [_accounts_of(person, known) for person in people]
    common = set.intersection(*map(set, each)) if each else set()
    if direct := {person.account_id for person in people if person.account_id in common}:
        common = direct & common
    if len(common) == 1 and (account := known.by_id.get(common.pop() or "")):
        said = f"The account is {account.name}." if len(people) == 1 else f"All belong to {account.name}."
        return AccountChoice(account, said)
    parent = None if common else _above({id for ids in each for id in ids}, known) if all(each) else None
    return AccountChoice(parent, f"All belong to branches of {parent.name}." if parent else "")


def account_of_keys(keys: Iterable[str], domain: str | None, known: Known, policy: MatchPolicy) -> AccountChoice:
    """The organisation whose own number or address it is, else the one behind the e-mail domain."""
    for key in keys:
        own = {record.id: record for record in known.by_key.get(key, ()) if record.kind is ACCOUNT}
        if len(own) == 1:
            (account,) = own.values()
            return AccountChoice(account, f"{opening(key)} is that of {account.name}, and of no contact.")
        if own and (parent := _above(own, known)):
            return AccountChoice(parent, f"{opening(key)} is that of branches of {parent.name}.")
    return _account_of_domain(domain, known, policy) if domain else AccountChoice(None)


def _account_of_domain(domain: str, known: Known, policy: MatchPolicy) -> AccountChoice:
    shown = known.domains.get(domain)
    name = domain.partition(":")[2]
    if not shown:
        return AccountChoice(None)
    if len(shown) == 1:
        account = known.by_id.get(next(iter(shown)))
        return AccountChoice(account, f"The e-mail domain {name} belongs to {account.name}." if account else "")
    if parent := _above(shown, known):
        return AccountChoice(parent, f"The e-mail domain {name} is used by branches of {parent.name}.")
    (most, id), total = max((count, id) for id, count in shown.items()), sum(shown.values())
    if most >= policy.domain_share * total and (account := known.by_id.get(id)):
        sentence = f"The e-mail domain {name} belongs to {account.name}, as {most} of {total} records show."
        return AccountChoice(account, sentence)
    return AccountChoice(None, f"The e-mail domain {name} is used by {len(shown)} accounts, so it does not decide.")


def _accounts_of(person: Record, known: Known) -> list[str]:
    ids = (person.account_id, *known.related.get(person.id, ()))
    return [id for id in ids if id]


def _above(ids: Iterable[str], known: Known) -> Record | None:
    """The nearest account above all of these, itself one of them or their parent."""
    above: list[str] | None = None
    for id in ids:
        chain = list(_chain(id, known))
        above = chain if above is None else [one for one in above if one in chain]
        if not above:
            return None
    return known.by_id[above[0]] if above else None


def _chain(id: str | None, known: Known) -> Iterator[str]:
    """The account and its parents, the nearest first."""
    seen: set[str] = set()
    while id and id not in seen and (account := known.by_id.get(id)) and account.kind is ACCOUNT:
        seen.add(id)
        yield id
        id = account.account_id
