"""A made-up CRM and its interactions, whose truth the generator knows and the resolver never reads.

The people are real ones in a small world: they work somewhere, live with others, change jobs and numbers, and are typed
into the CRM by people who err. An interaction is made from what its person has *now*; the CRM holds what somebody
once wrote down. The shares below were set before any weight was, and are no setting of the bench.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from gateway.domain.identity import case_key, domain_key, email_key, phone_keys
from gateway.domain.interactions import Channel, Event, Interaction, PartialInteraction, Party, fold, interaction_of
from gateway.domain.records import Kind, Known, Record, Remembered, full_id

REGION = "US"
NOW = datetime(2026, 3, 2, 14, 54, tzinfo=UTC)

FIRST = [
    "James",
    "Robert",
    "John",
    "Michael",
    "David",
    "William",
    "Richard",
    "Joseph",
    "Thomas",
    "Charles",
    "Christopher",
    "Daniel",
    "Matthew",
    "Anthony",
    "Mark",
    "Donald",
    "Steven",
    "Andrew",
    "Paul",
    "Joshua",
    "Kenneth",
    "Kevin",
    "Brian",
    "Timothy",
    "Ronald",
    "George",
    "Jason",
    "Edward",
    "Jeffrey",
    "Ryan",
    "Jacob",
    "Gary",
    "Nicholas",
    "Eric",
    "Jonathan",
    "Stephen",
    "Larry",
    "Justin",
    "Scott",
    "Brandon",
    "Benjamin",
    "Samuel",
    "Gregory",
    "Alexander",
    "Patrick",
    "Frank",
    "Raymond",
    "Jack",
    "Dennis",
    "Jerry",
    "Mary",
    "Patricia",
    "Jennifer",
    "Linda",
    "Elizabeth",
    "Barbara",
    "Susan",
    "Jessica",
    "Sarah",
    "Karen",
    "Lisa",
    "Nancy",
    "Sandra",
    "Betty",
    "Ashley",
    "Emily",
    "Kimberly",
    "Margaret",
    "Donna",
    "Michelle",
    "Carol",
    "Amanda",
    "Melissa",
    "Deborah",
    "Stephanie",
    "Rebecca",
    "Sharon",
    "Laura",
    "Cynthia",
    "Dorothy",
    "Amy",
    "Kathleen",
    "Angela",
    "Shirley",
    "Emma",
    "Brenda",
    "Pamela",
    "Nicole",
    "Anna",
    "Samantha",
    "Katherine",
    "Christine",
    "Debra",
    "Rachel",
    "Carolyn",
    "Janet",
    "Maria",
    "Heather",
    "Diane",
    "Luis",
    "Carlos",
    "Juan",
    "Jorge",
    "Miguel",
    "Rosa",
    "Carmen",
    "Lucia",
    "Elena",
    "Sofia",
    "Wei",
    "Li",
    "Mei",
    "Jun",
    "Hiro",
    "Yuki",
    "Priya",
    "Arjun",
    "Anil",
    "Fatima",
    "Omar",
    "Leila",
    "Ahmed",
    "Olga",
    "Ivan",
    "Natasha",
    "Pierre",
    "Claire",
    "Hans",
    "Greta",
    "Lars",
    "Ingrid",
    "Sven",
    "Chidi",
    "Ngozi",
    "Kwame",
    "Amara",
    "Thabo",
    "Nia",
]
LAST = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Thomas",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
    "Mitchell",
    "Carter",
    "Roberts",
    "Gomez",
    "Phillips",
    "Evans",
    "Turner",
    "Diaz",
    "Parker",
    "Cruz",
    "Edwards",
    "Collins",
    "Reyes",
    "Stewart",
    "Morris",
    "Morales",
    "Murphy",
    "Cook",
    "Rogers",
    "Gutierrez",
    "Ortiz",
    "Morgan",
    "Cooper",
    "Peterson",
    "Bailey",
    "Reed",
    "Kelly",
    "Howard",
    "Ramos",
    "Kim",
    "Cox",
    "Ward",
    "Richardson",
    "Watson",
    "Brooks",
    "Chavez",
    "Wood",
    "James",
    "Bennett",
    "Gray",
    "Mendoza",
    "Ruiz",
    "Hughes",
    "Price",
    "Alvarez",
    "Castillo",
    "Sanders",
    "Patel",
    "Myers",
    "Long",
    "Ross",
    "Foster",
    "Jimenez",
    "Powell",
    "Jenkins",
    "Perry",
    "Russell",
    "Sullivan",
    "Bell",
    "Coleman",
    "Butler",
    "Henderson",
    "Barnes",
    "Fisher",
    "Vasquez",
    "Simmons",
    "Romero",
    "Jordan",
    "Patterson",
    "Alexander",
    "Hamilton",
    "Graham",
    "Reynolds",
    "Griffin",
    "Wallace",
    "Moreno",
    "West",
    "Cole",
    "Hayes",
    "Bryant",
    "Herrera",
    "Gibson",
    "Ellis",
    "Tran",
    "Medina",
    "Aguilar",
    "Stevens",
    "Murray",
    "Ford",
    "Castro",
    "Marshall",
    "Owens",
    "Harrison",
    "Fernandez",
    "McDonald",
    "Woods",
    "Washington",
    "Kennedy",
    "Wells",
    "Vargas",
    "Henry",
    "Chen",
    "Freeman",
    "Webb",
    "Tucker",
    "Guzman",
    "Burns",
    "Crawford",
    "Olson",
    "Simpson",
    "Porter",
    "Hunter",
    "Gordon",
    "Mendez",
    "Silva",
    "Shaw",
    "Snyder",
    "Mason",
    "Dixon",
    "Munoz",
    "Hunt",
    "Hicks",
    "Holmes",
    "Palmer",
    "Wagner",
    "Black",
    "Robertson",
    "Boyd",
    "Rose",
    "Stone",
    "Salazar",
    "Fox",
    "Warren",
    "Mills",
    "Meyer",
    "Rice",
    "Schmidt",
    "Garza",
    "Daniels",
    "Ferguson",
    "Nichols",
    "Stephens",
    "Soto",
    "Weaver",
    "Ryan",
    "Gardner",
    "Payne",
    "Grant",
    "Dunn",
    "Kelley",
    "Spencer",
    "Hawkins",
    "Arnold",
    "Pierce",
    "Hansen",
    "Peters",
    "Santos",
    "Hart",
    "Bradley",
    "Knight",
    "Elliott",
    "Cunningham",
    "Duncan",
    "Armstrong",
    "Hudson",
    "Carroll",
    "Lane",
    "Riley",
    "Andrews",
    "Alvarado",
    "Ray",
    "Delgado",
    "Berry",
    "Perkins",
    "Hoffman",
    "Johnston",
    "Matthews",
    "Pena",
    "Richards",
    "Contreras",
    "Willis",
    "Carpenter",
    "Lawrence",
    "Sandoval",
    "Okafor",
    "Haddad",
    "Tanaka",
]
SHORT = {
    "James": ["Jim", "Jimmy"], "Robert": ["Bob", "Rob"], "Michael": ["Mike"], "William": ["Bill", "Will"],
    "Richard": ["Rick"], "Joseph": ["Joe"], "Thomas": ["Tom"], "Christopher": ["Chris"], "Daniel": ["Dan"],
    "Matthew": ["Matt"], "Anthony": ["Tony"], "Steven": ["Steve"], "Andrew": ["Andy", "Drew"], "Joshua": ["Josh"],
    "Kenneth": ["Ken"], "Timothy": ["Tim"], "Ronald": ["Ron"], "Edward": ["Ed", "Ned"], "Jeffrey": ["Jeff"],
    "Nicholas": ["Nick"], "Jonathan": ["Jon"], "Benjamin": ["Ben"], "Samuel": ["Sam"], "Gregory": ["Greg"],
    "Alexander": ["Alex", "Lex"], "Patrick": ["Pat"], "Patricia": ["Pat", "Tricia"], "Jennifer": ["Jen"],
    "Elizabeth": ["Liz", "Beth", "Bess"], "Susan": ["Sue"], "Jessica": ["Jess"], "Kimberly": ["Kim"],
    "Margaret": ["Peggy", "Maggie", "Greta"], "Stephanie": ["Steph"], "Rebecca": ["Becky"], "Deborah": ["Debbie"],
    "Katherine": ["Kate", "Kitty"], "Samantha": ["Sam"], "Pamela": ["Pam"], "Cynthia": ["Cindy"],
    "Francisco": ["Paco"], "Natasha": ["Tasha"], "Jorge": ["Coco"], "Luis": ["Lucho"],
}  # fmt: skip
FREE_MAIL = ("gmail.com", "gmail.com", "gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "icloud.com")
TRADES = (
    "Solar",
    "Electric",
    "Roofing",
    "Supply",
    "Logistics",
    "Dental",
    "Legal",
    "Foods",
    "Media",
    "Motors",
    "Health",
)
ABROAD = (("GB", "+44", "7911 1", 5), ("DE", "+49", "1512 3", 6), ("FR", "+33", "6 12 ", 6), ("AU", "+61", "4 12 ", 6))


@dataclass(slots=True)
class Human:
    """Somebody, as they are now: their numbers and addresses, best known first."""

    first: str
    last: str
    mobile: str
    second_phone: str = ""
    second_email: str | None = None
    email: str | None = None
    work_email: str | None = None
    work_phone: str | None = None
    home_phone: str | None = None
    record: str | None = None
    lead: str | None = None
    account: str | None = None
    cases: list[str] = field(default_factory=list)
    company: str | None = None
    kin: list[Human] = field(default_factory=list)
    colleagues: list[Human] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def records(self) -> set[str]:
        """The records that are this person today; one at a former employer is not."""
        return {id for id in (self.record, self.lead) if id}


@dataclass(frozen=True, slots=True)
class Told:
    """One interaction with its truth: the records that are its person, and the accounts that are theirs or above."""

    interaction: Interaction
    people: frozenset[str]
    accounts: frozenset[str]


@dataclass(slots=True)
class World:
    """The CRM, and all who may get in touch."""

    records: dict[str, Record] = field(default_factory=dict)
    modified: dict[str, int] = field(default_factory=dict)
    related: dict[str, list[str]] = field(default_factory=dict)
    people: list[Human] = field(default_factory=list)

    def known(self) -> Known:
        """What a mirror of the whole CRM knows."""
        by_key: dict[str, list[Record]] = {}
        cases: dict[str, list[Record]] = {}
        domains: dict[str, dict[str, int]] = {}
        for record in self.records.values():
            for key in record.keys:
                by_key.setdefault(key, []).append(record)
                owner = record.id if record.kind is Kind.ACCOUNT else record.account_id
                if key.startswith("domain:") and owner and record.kind in {Kind.ACCOUNT, Kind.CONTACT}:
                    shown = domains.setdefault(key, {})
                    shown[owner] = shown.get(owner, 0) + 1
            if record.kind is Kind.CASE and record.is_open and (owner := record.contact_id or record.account_id):
                cases.setdefault(owner, []).append(record)
        return Known(by_key, self.records, cases, domains, related=self.related)


class Maker:
    """Makes one world and its interactions from a seed."""

    def __init__(self, seed: int, *, scale: float = 1.0) -> None:
        self.random = random.Random(seed)
        self.world = World()
        self._scale = scale
        self._numbers: dict[str, int] = {}
        self._eager: list[float] = []
        self._used_phones: set[str] = set()
        self._used_emails: set[str] = set()

    # --- the small things

    def _often(self, share: float) -> bool:
        return self.random.random() < share

    def _pick(self, choices: Sequence[str]) -> str:
        return self.random.choice(choices)

    def _id(self, prefix: str) -> str:
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return full_id(f"{prefix}{self._numbers[prefix]:012d}")

    def _phone(self, *, abroad: bool = False) -> str:
        while True:
            if abroad:
                _, code, stem, digits = self.random.choice(ABROAD)
                number = code + stem.replace(" ", "") + "".join(self._pick("0123456789") for _ in range(digits))
            else:
                area = self.random.choice((212, 310, 312, 404, 408, 415, 503, 512, 530, 602, 617, 702, 713, 805, 916))
                number = f"+1{area}{self.random.randint(2, 9)}{self.random.randint(0, 999999):06d}"
            if number not in self._used_phones:
                self._used_phones.add(number)
                return number

    def _email(self, first: str, last: str, domain: str) -> str:
        first, last = first.lower(), last.lower()
        forms = [f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}", f"{first}_{last}", f"{last}.{first}"]
        address = f"{self._pick(forms)}@{domain}"
        while address in self._used_emails:
            address = f"{first}.{last}{self.random.randint(1, 9999)}@{domain}"
        self._used_emails.add(address)
        return address

    def _human(self, last: str | None = None) -> Human:
        first, last = self._pick(FIRST), last or self._pick(LAST)
        return Human(first, last, self._phone(abroad=self._often(0.04)), second_phone=self._phone())

    def _keep(self, record: Record) -> str:
        self.world.records[record.id] = record
        self.world.modified[record.id] = self.random.randint(0, 10**9)
        return record.id

    # --- how things are typed into the CRM

    def _typed_phone(self, number: str, *more: str) -> str:
        if self._often(0.01):
            digit = self.random.randrange(len(number) - 6, len(number))
            number = number[:digit] + self._pick("0123456789") + number[digit + 1 :]
        if number.startswith("+1"):
            area, middle, end = number[2:5], number[5:8], number[8:]
            spelt = self._pick([
                f"({area}) {middle}-{end}", f"({area}) {middle}-{end}", f"{area}-{middle}-{end}", f"{area}.{middle}.{end}",
                f"{area}{middle}{end}", f"+1 {area} {middle} {end}", number, f"1-{area}-{middle}-{end}",
            ])  # fmt: skip
        else:
            country = next(code for _, code, _, _ in ABROAD if number.startswith(code))
            spelt = f"0{number[len(country) :]}" if self._often(0.4) else f"{country} {number[len(country) :]}"
        if self._often(0.03):
            spelt += self._pick([" x204", " ext. 12", " ext 7", ", ext 301", " (work)", " - ask for me"])
        for other in more:
            spelt += self._pick([" / ", " or ", "; ", ", "]) + other
        return spelt

    def _typed_name(self, first: str, last: str) -> str:
        if self._often(0.05) and first in SHORT:
            first = self._pick(SHORT[first])
        if self._often(0.02):
            last = self._typo(last)
        return f"{first} {last}"

    def _typo(self, word: str) -> str:
        if len(word) < 4:
            return word
        at = self.random.randrange(1, len(word) - 1)
        return self._pick(
            [
                word[:at] + word[at + 1 :],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at] + word[at:],
            ]
        )

    def _typed_email(self, address: str | None) -> str | None:
        if address is None:
            return None
        local, _, domain = address.partition("@")
        return f"{self._typo(local)}@{domain}" if self._often(0.012) else address

    def _keys(self, phones: Sequence[str], email: str | None) -> tuple[str, ...]:
        keys = [key for phone in phones for key in phone_keys(phone, REGION)]
        if email and (key := email_key(email)):
            keys += [key, *filter(None, [domain_key(email)])]
        return tuple(dict.fromkeys(keys))

    def _contact(self, human: Human, account: str | None, phones: Sequence[str], email: str | None) -> str:
        name = self._typed_name(human.first, human.last)
        keys = self._keys(phones, self._typed_email(email))
        return self._keep(Record(kind=Kind.CONTACT, id=self._id("003"), name=name, keys=keys, account_id=account))

    # --- companies

    def _company(self) -> None:
        rng = self.random
        owner, trade = self._pick(LAST), self._pick(TRADES)
        name = f"{owner} {trade} {self._pick(['Inc', 'LLC', 'Group', 'Partners', 'Co'])}"
        number = self._numbers.get("001", 0)
        domain = f"{owner}{trade}{number}.example".lower()
        branches = rng.choice((2, 3, 4)) if self._often(0.12) else 0
        top = self._account(name, domain if self._often(0.85) else None, None)
        sites = [self._account(f"{name} {self._pick(LAST)}ville", None, top) for _ in range(branches)] or [top]
        switchboards = {site: self._phone() for site in sites}
        for site, switchboard in switchboards.items():
            if self._often(0.8):
                self._add_keys(site, phone_keys(self._typed_phone(switchboard), REGION))
        size = max(1, min(80, round(rng.lognormvariate(1.6, 1.0))))
        staff = [self._employee(rng.choice(sites), switchboards, domain, name) for _ in range(size)]
        for human in staff:
            human.colleagues = staff
        if self._often(0.08) and size > 3:
            front = Human(
                "Front", "Desk", switchboards[sites[0]], email=f"{self._pick(['info', 'office', 'sales'])}@{domain}"
            )
            self._contact(front, sites[0], [switchboards[sites[0]]], front.email)

    def _account(self, name: str, domain: str | None, parent: str | None) -> str:
        keys = tuple(filter(None, [domain_key(domain)])) if domain else ()
        return self._keep(Record(kind=Kind.ACCOUNT, id=self._id("001"), name=name, keys=keys, account_id=parent))

    def _add_keys(self, id: str, keys: Sequence[str]) -> None:
        old = self.world.records[id]
        changed = {name: getattr(old, name) for name in old.__dataclass_fields__}
        self.world.records[id] = Record(**changed | {"keys": tuple(dict.fromkeys((*old.keys, *keys)))})

    def _employee(self, site: str, switchboards: dict[str, str], domain: str, company: str) -> Human:
        human = self._human()
        human.company, human.account = company, site
        human.work_email = self._email(human.first, human.last, domain)
        human.email = self._email(human.first, human.last, self._pick(FREE_MAIL))
        desk = self._phone() if self._often(0.4) else switchboards[site]
        human.work_phone = desk
        typed = [self._typed_phone(desk)] if self._often(0.85) else []
        if self._often(0.85):
            typed.append(self._typed_phone(human.mobile))
        elif typed and self._often(0.2):
            typed = [self._typed_phone(desk, self._typed_phone(human.mobile))]
        on_free_mail = self._often(0.08)
        written = human.email if on_free_mail else human.work_email
        if on_free_mail:
            human.work_email = None
        human.record = self._contact(human, site, typed, written if self._often(0.92) or not typed else None)
        if self._often(0.03):
            self._related(human.record)
        if self._often(0.04):
            self._moved_on(human)
        self.world.people.append(human)
        return human

    def _related(self, contact: str) -> None:
        accounts = [id for id in self.world.records if id.startswith("001")]
        self.world.related[contact] = [self._pick(accounts[-200:])]

    def _moved_on(self, human: Human) -> None:
        """An older record of theirs, at a former employer; the mobile number is often still on it."""
        accounts = [id for id in self.world.records if id.startswith("001")]
        former = self._pick(accounts[-400:])
        phones = [self._typed_phone(self._phone())]
        if self._often(0.5):
            phones.append(self._typed_phone(human.mobile))
        self._contact(human, former, phones, f"{human.first}.{human.last}@former.example".lower())

    # --- households

    def _household(self) -> None:
        last = self._pick(LAST)
        members = [
            self._human(last if self._often(0.85) else None) for _ in range(self.random.choice((1, 1, 2, 2, 2, 3, 4)))
        ]
        landline = self._phone() if self._often(0.35) else None
        shared_email = self._email("the", last, self._pick(FREE_MAIL)) if self._often(0.08) else None
        person_account = len(members) == 1 and self._often(0.4)
        account = self._account(f"{members[0].name}" if person_account else f"{last} Household", None, None)
        other = self._account(f"{last} Household", None, None) if len(members) > 2 and self._often(0.15) else account
        for position, human in enumerate(members):
            human.kin = [other_human for other_human in members if other_human is not human]
            human.home_phone = landline
            human.email = shared_email or self._email(human.first, human.last, self._pick(FREE_MAIL))
            if position and self._often(0.25):
                continue  # lives there, and is no customer: kin without a record
            human.account = other if position == 2 else account
            typed = [self._typed_phone(human.mobile)] if self._often(0.93) else []
            if landline and self._often(0.6):
                typed.append(self._typed_phone(landline))
            if position and self._often(0.06):
                typed = [self._typed_phone(members[0].mobile)]
            written = human.email if self._often(0.92) or not typed else None
            human.record = self._contact(human, human.account, typed, written)
            self.world.people.append(human)
        if person_account:
            self._make_person(account, members[0])

    def _make_person(self, account: str, human: Human) -> None:
        contact = self.world.records[human.record or ""]
        self.world.records[account] = Record(
            kind=Kind.ACCOUNT, id=account, name=contact.name, keys=contact.keys, contact_id=contact.id
        )

    # --- leads, cases, reassigned numbers

    def _lead(self) -> None:
        twin = self.random.choice(self.world.people) if self._often(0.12) else None
        human = twin or self._human()
        if twin is None:
            human.email = self._email(human.first, human.last, self._pick(FREE_MAIL))
        phones = [self._typed_phone(human.mobile)] if self._often(0.9) else []
        email = self._typed_email(human.email) if self._often(0.9) or not phones else None
        keys = self._keys(phones, email)
        id = self._keep(
            Record(kind=Kind.LEAD, id=self._id("00Q"), name=self._typed_name(human.first, human.last), keys=keys)
        )
        human.lead = id
        if twin is None:
            self.world.people.append(human)

    def _case(self) -> None:
        human = self.random.choice(self.world.people)
        if human.account is None:
            return
        number = f"{self._numbers.get('500', 0) + 1:08d}"
        is_open, names_contact = self._often(0.35), self._often(0.85)
        keys = [case_key(number)]
        if self._often(0.25):
            keys += [email_key(human.email or "")] if self._often(0.7) else list(phone_keys(human.mobile, REGION))
        case = Record(
            kind=Kind.CASE, id=self._id("500"), name=f"Case {number}", number=number, account_id=human.account,
            contact_id=human.record if names_contact else None, is_open=is_open, keys=tuple(filter(None, keys)),
            topics=(self._pick(["Billing", "Installation", "Outage", "Warranty", "Question"]),),
        )  # fmt: skip
        self._keep(case)
        human.cases.append(number)

    def _reassign_numbers(self) -> None:
        """Numbers go to others; the CRM is not told."""
        people = self.world.people
        for human in self.random.sample(people, len(people) // 60):
            heir = self.random.choice(people) if self._often(0.4) else None
            if heir is not None:
                heir.mobile = human.mobile
                if heir.record and self._often(0.6):
                    self._add_keys(heir.record, phone_keys(heir.mobile, REGION))
            human.mobile = self._phone()

    def make(self) -> World:
        """The whole world."""
        for _ in range(round(2200 * self._scale)):
            self._company()
        for _ in range(round(9000 * self._scale)):
            self._household()
        for _ in range(round(5000 * self._scale)):
            self._lead()
        for _ in range(round(12000 * self._scale)):
            self._case()
        self._reassign_numbers()
        return self.world

    # --- who gets in touch, and what the platform is told

    def interactions(self, count: int) -> Iterator[Told]:
        """Interactions as they come; customers mostly, then strangers, and some who hide."""
        kinds: list[tuple[float, Callable[[], tuple[Human, Channel, Party]]]] = [
            (0.55, self._calls), (0.20, self._chats), (0.18, self._mails), (0.07, self._messages),
        ]  # fmt: skip
        weights = [share for share, _ in kinds]
        for number in range(count):
            (make,) = self.random.choices([make for _, make in kinds], weights)
            human, channel, party = make()
            references, subject = self._references(human)
            yield Told(
                _interaction(f"i-{number}", channel, party, references, subject),
                frozenset(human.records), self._accounts_of(human),
            )  # fmt: skip

    def _accounts_of(self, human: Human) -> frozenset[str]:
        """Theirs, and the organisation's above it."""
        account = self.world.records.get(human.account or "")
        return frozenset(id for id in (account and account.id, account and account.account_id) if id)

    def _somebody(self) -> Human:
        """A customer; their kin or colleague who is in no CRM; or a stranger."""
        chance = self.random.random()
        (human,) = self.random.choices(self.world.people, cum_weights=self._eagerness())
        if chance < 0.88:
            return human
        if chance < 0.90:
            return self._unlisted_relative(human)
        stranger = self._human()
        stranger.email = self._email(stranger.first, stranger.last, self._pick(FREE_MAIL))
        if human.company and chance < 0.93:
            return self._unlisted_colleague(human, stranger)
        return stranger

    def _eagerness(self) -> list[float]:
        """Some get in touch often and most hardly ever: running sums, by person."""
        if len(self._eager) != len(self.world.people):
            self._eager = list(accumulate(self.random.lognormvariate(0, 1.2) for _ in self.world.people))
        return self._eager

    def _unlisted_relative(self, human: Human) -> Human:
        kin = [one for one in human.kin if not one.records]
        if kin:
            relative = self.random.choice(kin)
            relative.account = human.account
            return relative
        return Human(self._pick(FIRST), human.last, self._phone(), email=self._email("x", human.last, "gmail.com"))

    def _unlisted_colleague(self, human: Human, stranger: Human) -> Human:
        """A new rep of a known company: writes from its domain, calls through its switchboard."""
        domain = (human.work_email or "").partition("@")[2]
        stranger.work_email = self._email(stranger.first, stranger.last, domain) if domain else None
        stranger.work_phone, stranger.account, stranger.company = human.work_phone, human.account, human.company
        return stranger

    def _number_of(self, human: Human) -> str | None:
        chance = self.random.random()
        if chance < 0.03:
            return self._pick(["anonymous", "Restricted", "+266696687", "0000000000", ""])
        if chance < 0.06:
            return human.second_phone
        if chance < 0.065 and (human.kin or human.colleagues):
            return self.random.choice([*human.kin, *human.colleagues]).mobile
        if human.work_phone and chance < 0.27:
            return human.work_phone
        if human.home_phone and chance < 0.19:
            return human.home_phone
        return human.mobile

    def _caller_name(self, human: Human) -> str | None:
        """What the telephone network or the platform's own book shows; mostly nothing."""
        chance = self.random.random()
        if chance > 0.45:
            return None
        if chance < 0.17:
            return human.name
        if chance < 0.24:
            return f"{human.last} {human.first}".upper()[:15]
        if chance < 0.27:
            return f"{human.first[0]}. {human.last}" if self._often(0.5) else f"{self._nick(human.first)} {human.last}"
        if chance < 0.33:
            return self._pick(["WIRELESS CALLER", "UNAVAILABLE", "CHICAGO IL", "TOLL FREE CALL", "Unknown"])
        if chance < 0.38 and human.company:
            return human.company.upper()[:15]
        if chance < 0.39 and human.kin:
            return self.random.choice(human.kin).name
        return human.name

    def _nick(self, first: str) -> str:
        return self._pick(SHORT[first]) if first in SHORT else first

    def _calls(self) -> tuple[Human, Channel, Party]:
        human = self._somebody()
        number = self._number_of(human)
        if number and number.startswith("+1") and self._often(0.25):
            number = self._pick([number[2:], f"1{number[2:]}", f"({number[2:5]}) {number[5:8]}-{number[8:]}"])
        return human, Channel.VOICE, Party(role="customer", phone=number or None, name=self._caller_name(human))

    def _chats(self) -> tuple[Human, Channel, Party]:
        human = self._somebody()
        chance = self.random.random()
        typed_name = None
        if chance < 0.85:
            first = self._nick(human.first) if self._often(0.2) else human.first
            typed_name = first if self._often(0.35) else f"{first} {human.last}"
        email = self._address_of(human) if self._often(0.85) else None
        if email and self._often(0.015):
            email = self._typo(email.partition("@")[0]) + "@" + email.partition("@")[2]
        phone = human.mobile if self._often(0.25) or (email is None and self._often(0.6)) else None
        verified = True if email and self._often(0.2) else None
        return human, Channel.CHAT, Party(role="customer", email=email, phone=phone, name=typed_name, verified=verified)

    def _mails(self) -> tuple[Human, Channel, Party]:
        human = self._somebody()
        email = self._address_of(human)
        name = human.name if self._often(0.75) else None
        if human.company and human.work_email and self._often(0.03):
            email, name = f"info@{human.work_email.partition('@')[2]}", None
        return human, Channel.EMAIL, Party(role="customer", email=email, name=name)

    def _messages(self) -> tuple[Human, Channel, Party]:
        human = self._somebody()
        channel = self.random.choice((Channel.SMS, Channel.WHATSAPP))
        name = self._nick(human.first) if channel is Channel.WHATSAPP and self._often(0.6) else None
        return human, channel, Party(role="customer", phone=human.mobile, name=name)

    def _address_of(self, human: Human) -> str | None:
        """Mostly the one that they gave; now and then another of theirs."""
        usual, other = (human.work_email, human.email) if human.work_email else (human.email, human.work_email)
        if self._often(0.05):
            human.second_email = human.second_email or self._email(human.first, human.last, self._pick(FREE_MAIL))
            usual = other or human.second_email
        return usual

    def _references(self, human: Human) -> tuple[dict[str, str], str | None]:
        chance = self.random.random()
        if human.cases and chance < 0.25:
            return {"case_number": self._pick(human.cases).lstrip("0")}, None
        if human.cases and chance < 0.30:
            id = full_id(f"500{int(self._pick(human.cases)):012d}")[:15]
            return {}, f"Re: your request [ ref:_00D5g1gEW._{id[:5]}{id[5:].lstrip('0')}:ref ]"
        if chance > 0.995:
            return {"case_number": str(self.random.randint(1, 15000))}, None
        if chance > 0.975 and human.records:
            return {"contact_id": human.record[:15]} if human.record else {"lead_id": (human.lead or "")[:15]}, None
        return {}, None


def _interaction(
    id: str, channel: Channel, party: Party, references: dict[str, str], subject: str | None
) -> Interaction:
    partial = PartialInteraction(
        id=id, event=Event.COMPLETED, occurred_at=NOW + timedelta(seconds=1), channel=channel, parties=(party,),
        references=references or None, subject=subject,
    )  # fmt: skip
    return interaction_of(id, fold(None, [partial]))


def chosen_by_agents(
    rng: random.Random, past: Sequence[tuple[Told, Sequence[str], str | None, Sequence[str]]]
) -> dict[str, list[Remembered]]:
    """What agents made of past interactions: told, its keys, the person decided for, the candidates shown.

    In two of five where nobody was decided for, or the wrong one, they choose; once in 25 they take another candidate.
    """
    counts: dict[tuple[str, str], list[int]] = {}
    for told, keys, person, candidates in past:
        if person in told.people or not told.people or rng.random() > 0.4:
            continue
        others = [id for id in candidates if id not in told.people]
        choice = rng.choice(others) if others and rng.random() < 0.04 else min(told.people)
        for key in keys:
            counts.setdefault((key, choice), [0, 0])[0] += 1
            if person:
                counts.setdefault((key, person), [0, 0])[1] += 1
    remembered: dict[str, list[Remembered]] = {}
    for (key, id), (confirmed, rejected) in counts.items():
        at = NOW - timedelta(days=rng.randrange(1, 200))
        remembered.setdefault(key, []).append(Remembered(id, confirmed, rejected, at))
    return remembered


def same_person_everywhere(world: World, count: int, seed: int) -> Iterator[tuple[set[str], list[Interaction]]]:
    """The same identity on every channel: what a person gives once by voice, once in a chat and once by e-mail."""
    rng = random.Random(seed)
    channels = (Channel.VOICE, Channel.CHAT, Channel.EMAIL)
    for number, human in enumerate(rng.sample(world.people, count)):
        party = Party(role="customer", phone=human.mobile, email=human.work_email or human.email, name=human.name)
        identity = rng.choice((
            party, Party(role="customer", phone=party.phone), Party(role="customer", email=party.email),
        ))  # fmt: skip
        yield human.records, [_interaction(f"s-{number}-{c}", c, identity, {}, None) for c in channels]
