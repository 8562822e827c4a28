"""`gateway.yaml` and the environment, read into typed settings; every problem is listed at once, with its line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate
from phonenumbers import SUPPORTED_REGIONS
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from gateway.domain.policies import ContactPoint
from gateway.errors import ConfigError
from gateway.sdk import Connector, Secret

EXAMPLE = """\
database: sqlite:///gateway.db
orgs:
  main:
    login_url: https://MyDomain.my.salesforce.com
    auth: {flow: client_credentials, client_id: 3MVG9..., client_secret: {env: SF_SECRET}}
connections:
  front-desk:
    connector: generic
    org: main
    settings: {token: {env: FRONT_DESK_TOKEN}}
"""

# Settings that the environment overrides, so that one image runs with any database and at any address.
OVERRIDES = {"GATEWAY_DATABASE_URL": "database", "GATEWAY_HOST": "host", "GATEWAY_PORT": "port"}

Trail: TypeAlias = tuple[str, ...]


class SecretText(str):
    """A text that its `repr` hides, and so do those of all that contain it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The gateway logs in as the integration user that the org's app names."""

    flow: ClassVar[str] = "client_credentials"
    client_id: str
    client_secret: SecretText


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtBearer:
    """The gateway signs for one user whom the org's app has approved; `private_key` is PEM."""

    flow: ClassVar[str] = "jwt_bearer"
    client_id: str
    username: str
    private_key: SecretText


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A person authorised the gateway once."""

    flow: ClassVar[str] = "refresh_token"
    client_id: str
    client_secret: SecretText | None
    refresh_token: SecretText


Auth: TypeAlias = ClientCredentials | JwtBearer | RefreshToken


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgConfig:
    """One Salesforce org. `task_key` is the External ID field on Task; None: the org has no such field.

    `concurrent_calls` are made at once at the most.
    """

    name: str
    login_url: str
    api_version: str
    auth: Auth
    task_key: str | None
    concurrent_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """One configured instance of a connector; `settings` fulfil the connector's schema.

    `strict` answers unreadable deliveries with 400 instead of keeping them; `retired` tells the platform to stop.
    """

    name: str
    connector: str
    org: str
    default_region: str
    settings: Mapping[str, Any]
    contact_points: Mapping[str, ContactPoint]
    companion_tasks: bool
    strict: bool
    retired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. `sync` is kept as written; `warnings` are sentences for `gateway check`."""

    database: SecretText
    public_url: str | None
    host: str
    port: int
    orgs: Mapping[str, OrgConfig]
    connections: Mapping[str, ConnectionConfig]
    sync: Mapping[str, Any] = field(repr=False)
    path: Path
    warnings: tuple[str, ...] = ()


def load(path: Path | None, env: Mapping[str, str], connectors: Mapping[str, type[Connector]]) -> Config:
    """Read the file at `path`, else in GATEWAY_CONFIG, else ./gateway.yaml. ConfigError: all that must be changed."""
    path = path or Path(env.get("GATEWAY_CONFIG") or "gateway.yaml")
    report = _Report(str(path))
    try:
        tree = _parse(_read(path), report)
        _override(tree, env, report)
        config = _Reading(report, env, path, connectors).config(tree)
    except RecursionError:
        raise ConfigError(f"{path}:1: brackets stand in brackets too deeply; write it flatter") from None
    if config is None or report.problems:
        raise ConfigError(*report.sentences(report.problems))
    return config


class _Report:
    """The problems and warnings found so far, and where each setting stands."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: dict[Trail, int] = {}
        self.origins: dict[Trail, str] = {}
        self.problems: list[tuple[int, str]] = []
        self.warnings: list[tuple[int, str]] = []

    def problem(self, trail: Trail, text: str) -> None:
        self.problems.append(self._located(trail, text))

    def warn(self, trail: Trail, text: str) -> None:
        self.warnings.append(self._located(trail, text))

    def _located(self, trail: Trail, text: str) -> tuple[int, str]:
        if trail in self.origins:
            return 0, f"environment: {self.origins[trail]}: {text}"
        line = self._line(trail)
        return line, f"{self.label}:{line}: {'.'.join(trail)}: {text}" if trail else f"{self.label}:{line}: {text}"

    def _line(self, trail: Trail) -> int:
        while trail and trail not in self.lines:
            trail = trail[:-1]
        return self.lines.get(trail, 1)

    @staticmethod
    def sentences(found: list[tuple[int, str]]) -> list[str]:
        """Each sentence once, in the order of the lines."""
        return list(dict.fromkeys(text for _, text in sorted(found, key=lambda entry: entry[0])))


# --- the file ---------------------------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; create it, or name another in GATEWAY_CONFIG. A small one:\n\n{EXAMPLE}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: is not a text file in UTF-8; save it as one") from None


def _parse(text: str, report: _Report) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used again is none of the reader's business
            root = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001  # the parser's own slips on odd input, such as a bad \U, are syntax errors too
        raise ConfigError(_syntax_problem(error, text, report.label)) from None
    if root is None:
        raise ConfigError(
            f"{report.label}:1: the file is empty; write your settings into it. A small one:\n\n{EXAMPLE}"
        )
    tree = _Tree(report).value(root, ())
    if not isinstance(tree, dict):
        raise ConfigError(f"{report.label}:1: the file must be a mapping. A small one:\n\n{EXAMPLE}")
    return tree


# The parser's words, and ours. Its own sentence is never shown, for it can quote the text of a secret.
_SYNTAX = (
    ("'\\t'", "a tab cannot indent; use spaces"),
    ("undefined alias", "text that begins with * needs quotes"),
    ("tag", "text that begins with ! needs quotes"),
    ("cannot start any token", "text that begins with this character needs quotes"),
    (
        "mapping values are not allowed",
        "there is one colon too many; check the indentation, and quote text with a colon",
    ),
    ("quoted scalar", "a quote is opened here and never closed"),
    ("another document", "the settings must be one document; remove the line ---"),
    ("could not find expected ':'", "a colon is missing; write `name: value`, with a space after the colon"),
    ("while parsing a flow", "a bracket or brace is opened here and never closed, or a comma is missing"),
    ("while parsing a block", "the indentation does not fit the lines above"),
)


def _syntax_problem(error: Exception, text: str, label: str) -> str:
    words = f"{getattr(error, 'problem', '')} {getattr(error, 'context', '')}"
    sentence = next(
        (ours for theirs, ours in _SYNTAX if theirs in words), "this is not YAML; check indentation and quotes"
    )
    if isinstance(error, MarkedYAMLError):
        begins = "opened here" in sentence or "is missing" in sentence
        mark = (error.context_mark if begins else None) or error.problem_mark or error.context_mark
        return f"{label}:{mark.line + 1 if mark else 1}: {sentence}"
    position = getattr(error, "position", None)
    if isinstance(position, int):
        line = text.count("\n", 0, position) + 1
        return f"{label}:{line}: a character here is not text; type the line anew"
    return f"{label}:1: {sentence}"


class _Tree:
    """YAML nodes to plain values, with the line of every key; keys are always the text as written."""

    _LARGEST = 100_000

    def __init__(self, report: _Report) -> None:
        self._report = report
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, trail: Trail) -> Any:
        self._report.lines.setdefault(trail, node.start_mark.line + 1)
        self._count += 1
        if id(node) in self._open or self._count > self._LARGEST:
            raise ConfigError(
                f"{self._report.label}:{node.start_mark.line + 1}: an alias (*) makes the file endless; write it out"
            )
        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            self._report.problem(trail, "text that begins with ! needs quotes")
            return ""
        if isinstance(node, ScalarNode):
            return _scalar(str(node.tag), node.value)
        self._open.add(id(node))
        value: Any = self._mapping(node, trail) if isinstance(node, MappingNode) else self._sequence(node, trail)
        self._open.discard(id(node))
        return value

    def _mapping(self, node: MappingNode, trail: Trail) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            inner = (*trail, key)
            if key in found:
                first, self._report.lines[inner] = self._report.lines[inner], line
                self._report.problem(inner, f"stands twice, first in line {first}; keep one")
                continue
            self._report.lines[inner] = line
            found[key] = self.value(value_node, inner)
        return found

    def _sequence(self, node: Node, trail: Trail) -> list[Any]:
        return [self.value(item, (*trail, str(index))) for index, item in enumerate(node.value)]


def _scalar(tag: str, text: str) -> Any:
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in {"true", "yes", "on"}
        case "int":
            return _number(int, text)
        case "float":
            return _number(float, text)
        case _:
            return text


def _number(kind: Callable[[str], int | float], text: str) -> int | float | str:
    """The number; the text where it is none to us, such as 0x1F, so that the setting's own check speaks."""
    try:
        return kind(text)
    except ValueError:
        return text


def _override(tree: dict[str, Any], env: Mapping[str, str], report: _Report) -> None:
    for variable, setting in OVERRIDES.items():
        if env.get(variable):
            tree[setting] = env[variable]
            report.origins[setting,] = variable


# --- secrets ----------------------------------------------------------------------------------------------------------


class _Secrets:
    """Finds what `{env: NAME}` and `{file: PATH}` stand for; `failed` are the places where nothing was found."""

    _LONGEST = 65_536

    def __init__(self, report: _Report, env: Mapping[str, str], folder: Path) -> None:
        self._report = report
        self._env = env
        self._folder = folder
        self.known: set[str] = set()
        self.failed: set[Trail] = set()

    def resolve(self, value: Any, trail: Trail) -> Any:
        """The value with all references in it replaced."""
        if isinstance(value, dict):
            if value and set(value) <= {"env", "file"} and all(isinstance(name, str) for name in value.values()):
                return self._look_up(value, trail)
            return self.resolve_inside(value, trail)
        if isinstance(value, list):
            return [self.resolve(item, (*trail, str(index))) for index, item in enumerate(value)]
        return value

    def resolve_inside(self, value: dict[str, Any], trail: Trail) -> dict[str, Any]:
        """The same for a mapping that is no reference itself, whatever its keys."""
        return {key: self.resolve(inner, (*trail, key)) for key, inner in value.items()}

    def _look_up(self, reference: dict[str, str], trail: Trail) -> SecretText:
        try:
            secret = self._found(reference)
        except ValidationError as error:
            self._report.problem(trail, str(error.messages[0]))
            self.failed.add(trail)
            return SecretText("-")
        self.known.add(secret)
        return SecretText(secret)

    def _found(self, reference: dict[str, str]) -> str:
        match reference:
            case {"env": _, "file": _}:
                raise ValidationError("takes either env or file; remove one")
            case {"env": name}:
                return self._from_environment(name)
            case _:
                return self._from_file(reference["file"])

    def _from_environment(self, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValidationError("env takes the name of an environment variable, not the secret itself")
        if name not in self._env:
            raise ValidationError(f"the environment has no {name}; set it, or use {{file: PATH}}")
        if not self._env[name].strip():
            raise ValidationError(f"the environment's {name} is empty; set it")
        return self._env[name]

    def _from_file(self, name: str) -> str:
        try:
            with (self._folder / name).open("rb") as file:
                text = file.read(self._LONGEST + 1).decode().rstrip("\r\n")
        except OSError as error:
            raise ValidationError(
                f"cannot read the file {name}: {error.strerror}; create it, or use {{env: NAME}}"
            ) from None
        except ValueError:
            raise ValidationError("file takes the path of a text file in UTF-8") from None
        if len(text) > self._LONGEST:
            raise ValidationError(f"the file {name} is too large for a secret; name another")
        if not text.strip():
            raise ValidationError(f"the file {name} is empty; write the secret into it")
        return text

    def hide(self, value: Any) -> Any:
        """The value with every known secret in it as SecretText."""
        match value:
            case dict():
                return {key: self.hide(inner) for key, inner in value.items()}
            case list() | tuple():
                return type(value)(self.hide(item) for item in value)
            case str() if value in self.known:
                return SecretText(value)
            case _:
                return value

    def strike_out(self, text: str) -> str:
        """A foreign sentence without the secrets that it may quote."""
        for secret in sorted(self.known, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


# --- shape ------------------------------------------------------------------------------------------------------------


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _WebAddress(fields.String):
    """`https://host[:port]`, or http for this machine; without a slash at the end."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host = ""
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", host) or not address.isprintable():
            raise ValidationError("is not a web address; write https://host")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            raise ValidationError("must begin with https:// (http:// is for this machine only)")
        if parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValidationError("must be https://host only; leave out user, path and query")
        return address.rstrip("/?#")


class _DatabaseUrl(fields.String):
    """SQLAlchemy's URL of an SQLite file or a PostgreSQL database, with the driver that we ship."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> SecretText:
        url = super()._deserialize(value, attr, data, **kwargs)
        scheme, _, rest = url.partition("://")
        if scheme == "sqlite":
            return SecretText(self._sqlite(url, rest))
        if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
            return SecretText(self._postgresql(f"postgresql+psycopg://{rest}"))
        raise ValidationError("must begin with sqlite:/// or postgresql+psycopg://")

    def _sqlite(self, url: str, rest: str) -> str:
        if not rest.startswith("/"):
            raise ValidationError(
                "must be sqlite:///file.db, or sqlite:////path/to/file.db, with three or four slashes"
            )
        if rest == "/" or rest.startswith(("/:memory:", "/?")):
            raise ValidationError(
                "must name a file, or what was received is lost at the end; such as sqlite:///gateway.db"
            )
        return url

    def _postgresql(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            _, _ = parts.hostname, parts.port
        except ValueError:
            raise ValidationError(
                "is not an address; write postgresql+psycopg://user:password@host:5432/name"
            ) from None
        if parts.path in {"", "/"}:
            raise ValidationError("names no database; write postgresql+psycopg://user:password@host:5432/name")
        return url


class _Region(fields.String):
    """A country by its two letters, as ISO 3166 and the numbering plans have it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        region = super()._deserialize(value, attr, data, **kwargs)
        if region in SUPPORTED_REGIONS:
            return region
        if region.upper() in SUPPORTED_REGIONS:
            raise ValidationError(f'countries are in capitals; write "{region.upper()}"')
        raise ValidationError("is not a country of two letters, such as US, DE or JP")


class _ApiVersion(fields.Field[str]):
    """`62.0`, with or without quotes; External ID fields on Task need 31.0."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        version = str(value) if isinstance(value, str | float) else ""
        if not re.fullmatch(r"[1-9][0-9]{1,2}\.0", version) or float(version) < 31:
            raise ValidationError('must be a Salesforce API version from 31.0 on, such as "62.0"')
        return version


_NOT_EMPTY = validate.Length(min=1, error="is empty; fill it in")


class _ClientCredentialsSchema(Schema):
    flow = fields.String()
    client_id = fields.String(required=True, validate=_NOT_EMPTY)
    client_secret = Secret(required=True, validate=_NOT_EMPTY)


class _JwtBearerSchema(Schema):
    flow = fields.String()
    client_id = fields.String(required=True, validate=_NOT_EMPTY)
    username = fields.String(required=True, validate=_NOT_EMPTY)
    private_key = Secret(
        required=True,
        validate=validate.Regexp(
            r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----",
            error="is not a private key in PEM; use {{file: PATH}} of the .pem or .key file",
        ),
    )


class _RefreshTokenSchema(Schema):
    flow = fields.String()
    client_id = fields.String(required=True, validate=_NOT_EMPTY)
    client_secret = Secret(load_default=None, allow_none=True, validate=_NOT_EMPTY)
    refresh_token = Secret(required=True, validate=_NOT_EMPTY)


_FLOWS: dict[str, tuple[type[Schema], type[ClientCredentials | JwtBearer | RefreshToken]]] = {
    ClientCredentials.flow: (_ClientCredentialsSchema, ClientCredentials),
    JwtBearer.flow: (_JwtBearerSchema, JwtBearer),
    RefreshToken.flow: (_RefreshTokenSchema, RefreshToken),
}

# What to write instead of the hosts that never answer client_credentials.
_MY_DOMAINS = {
    "login.salesforce.com": "https://MyDomain.my.salesforce.com",
    "test.salesforce.com": "https://MyDomain--SandboxName.sandbox.my.salesforce.com",
}


class _OrgSchema(Schema):
    login_url = _WebAddress(load_default="https://login.salesforce.com")
    api_version = _ApiVersion(load_default="62.0")
    auth = fields.Dict(required=True)
    task_key = fields.String(
        load_default="Gateway_Interaction_Key__c",
        allow_none=True,
        validate=validate.Regexp(
            r"[A-Za-z]\w{0,76}__c\Z", error="must be the API name of a custom field, which ends in __c"
        ),
    )
    concurrent_calls = fields.Integer(
        load_default=4,
        strict=True,
        validate=validate.Range(1, 25, error="must be from 1 to 25, as many long calls as Salesforce bears at once"),
    )


class _ContactPointSchema(Schema):
    label = fields.String(load_default=None, allow_none=True)
    region = _Region(load_default=None, allow_none=True)
    create = fields.String(load_default="never", validate=validate.OneOf(["never"], error="must be one of: {choices}"))
    companion_tasks = fields.Boolean(load_default=None, allow_none=True)


class _ConnectionSchema(Schema):
    connector = fields.String(required=True)
    org = fields.String(required=True)
    default_region = _Region(load_default="US")
    settings = fields.Dict(load_default=dict, allow_none=True)
    contact_points = fields.Dict(load_default=dict, allow_none=True)
    companion_tasks = fields.Boolean(load_default=False)
    strict = fields.Boolean(load_default=False)
    retired = fields.Boolean(load_default=False)


class _FileSchema(Schema):
    database = _DatabaseUrl(load_default=SecretText("sqlite:///gateway.db"))
    public_url = _WebAddress(load_default=None, allow_none=True)
    host = fields.String(
        load_default="127.0.0.1", validate=validate.Regexp(r"[\w.:-]+\Z", error="must be a host name or address")
    )
    port = fields.Integer(load_default=8080, validate=validate.Range(0, 65535, error="must be from 0 to 65535"))
    orgs = fields.Dict(required=True)
    connections = fields.Dict(load_default=dict, allow_none=True)
    sync = fields.Dict(load_default=dict, allow_none=True)


# marshmallow's standard messages, and what an admin should read; a connector's own messages stay as they are.
_MESSAGES = {
    "Missing data for required field.": "is missing; add it",
    "Field may not be null.": "has no value; give it one, or remove the line",
    "Not a valid string.": "must be text; a number needs quotes",
    "Not a valid boolean.": "must be true or false",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid mapping type.": "must be a mapping, of lines `name: value`",
    "Invalid type.": "must be a mapping, of lines `name: value`",
    "Invalid input type.": "must be a mapping, of lines `name: value`",
    "Not a valid list.": "must be a list, of lines that begin with -",
}

_UNKNOWN = "Unknown field."

Shape: TypeAlias = "Schema | fields.Field[Any] | None"


def _below(shape: Shape, key: str) -> Shape:
    """What a schema expects under a key."""
    match shape:
        case Schema():
            return next((inner for name, inner in shape.load_fields.items() if (inner.data_key or name) == key), None)
        case fields.Nested():
            return _below(shape.schema, key)
        case fields.List():
            return shape.inner
        case fields.Mapping():
            return shape.value_field
        case _:
            return None


def _keys(schema: Shape, trail: Trail) -> list[str]:
    """The settings that a schema knows at a place."""
    for key in trail:
        schema = _below(schema, key)
    while isinstance(schema, fields.Nested):
        schema = schema.schema
    return [inner.data_key or name for name, inner in schema.load_fields.items()] if isinstance(schema, Schema) else []


def _suggestion(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    guess = f'; did you mean "{close[0]}"?' if close else ""
    return f"{guess} (known: {', '.join(known) or 'none'})"


# --- meaning ----------------------------------------------------------------------------------------------------------


class _Reading:
    """One pass over the tree: what is found wrong is reported, and what is right is built."""

    def __init__(
        self, report: _Report, env: Mapping[str, str], path: Path, connectors: Mapping[str, type[Connector]]
    ) -> None:
        self._report = report
        self._path = path
        self._connectors = connectors
        self._secrets = _Secrets(report, env, path.parent)

    def config(self, tree: dict[str, Any]) -> Config | None:
        """The settings; None, or of no use, when there are problems."""
        self._note_password(tree)
        top = self._shaped(
            _FileSchema(), {**tree, "database": self._database(tree)} if "database" in tree else tree, ()
        )
        orgs = self._named(top.get("orgs"), "orgs", self._org)
        connections = self._named(
            top.get("connections"), "connections", self._connection_reader(list(top.get("orgs") or {}))
        )
        if self._report.problems:
            return None
        return Config(
            database=top["database"],
            public_url=top["public_url"],
            host=top["host"],
            port=top["port"],
            orgs=orgs,
            connections=connections,
            sync=MappingProxyType(top["sync"] or {}),
            path=self._path,
            warnings=tuple(self._report.sentences(self._report.warnings)),
        )

    def _database(self, tree: dict[str, Any]) -> Any:
        return self._secrets.resolve(tree["database"], ("database",))

    def _note_password(self, tree: dict[str, Any]) -> None:
        url = tree.get("database")
        if (
            isinstance(url, str)
            and re.match(r"[^/]+://[^/@]*:[^/@]+@", url)
            and ("database",) not in self._report.origins
        ):
            self._report.warn(
                ("database",), "holds a password in plain text; move the address to {env: NAME} or {file: PATH}"
            )

    def _named(self, raw: Any, kind: str, read: Callable[[str, Any], Any]) -> Mapping[str, Any]:
        """What stands under `orgs` or `connections`, by name."""
        found = {}
        for name, settings in (raw or {}).items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
                self._report.problem(
                    (kind, name), "names are of a-z, 0-9, - . _ and begin with a letter or digit; rename it"
                )
            found[name] = read(name, settings)
        return MappingProxyType(found)

    def _org(self, name: str, raw: Any) -> OrgConfig | None:
        trail = ("orgs", name)
        shaped = self._shaped(_OrgSchema(), raw, trail)
        auth = self._auth(shaped["auth"], (*trail, "auth")) if "auth" in shaped else None
        if isinstance(auth, ClientCredentials) and "login_url" in shaped:
            self._check_my_domain(shaped["login_url"], trail)
        if auth is None or not shaped.keys() >= _OrgSchema().fields.keys():
            return None
        return OrgConfig(**{**shaped, "name": name, "auth": auth})

    def _auth(self, raw: dict[str, Any], trail: Trail) -> Auth | None:
        flow = raw.get("flow")
        if not isinstance(flow, str) or flow not in _FLOWS:
            problem = "is missing" if flow is None else f'no flow is called "{flow}"'
            self._report.problem((*trail, "flow"), problem + _suggestion(str(flow), list(_FLOWS)))
            return None
        schema, kind = _FLOWS[flow]
        before = len(self._report.problems)
        shaped = self._shaped(schema(), self._secrets.resolve_inside(raw, trail), trail)
        if len(self._report.problems) > before:
            return None
        return kind(**{name: inner for name, inner in self._secrets.hide(shaped).items() if name != "flow"})

    def _check_my_domain(self, login_url: str, trail: Trail) -> None:
        instead = _MY_DOMAINS.get(urlsplit(login_url).hostname or "")
        if instead:
            self._report.problem(
                (*trail, "login_url"),
                f"client_credentials is answered by the org's My Domain only; write {instead} (Setup, My Domain)",
            )

    def _connection_reader(self, orgs: list[str]) -> Callable[[str, Any], ConnectionConfig | None]:
        return lambda name, raw: self._connection(name, raw, orgs)

    def _connection(self, name: str, raw: Any, orgs: list[str]) -> ConnectionConfig | None:
        trail = ("connections", name)
        before = len(self._report.problems)
        shaped = self._shaped(_ConnectionSchema(), raw, trail)
        self._check_known(shaped.get("connector"), list(self._connectors), (*trail, "connector"))
        self._check_known(shaped.get("org"), orgs, (*trail, "org"))
        settings = self._settings(shaped, (*trail, "settings"))
        points = self._contact_points(shaped.get("contact_points"), (*trail, "contact_points"))
        if len(self._report.problems) > before:
            return None
        return ConnectionConfig(**{**shaped, "name": name, "settings": settings, "contact_points": points})

    def _check_known(self, name: str | None, known: list[str], trail: Trail) -> None:
        if name is not None and name not in known:
            self._report.problem(trail, f'no {trail[-1]} is called "{name}"{_suggestion(name, known)}')

    def _settings(self, shaped: dict[str, Any], trail: Trail) -> Mapping[str, Any]:
        resolved = self._secrets.resolve_inside(shaped.get("settings") or {}, trail)
        connector = self._connectors.get(shaped.get("connector", ""))
        if connector is None or "settings" not in shaped:
            return {}
        return MappingProxyType(self._secrets.hide(self._shaped(connector.settings_schema(), resolved, trail)))

    def _contact_points(self, raw: Any, trail: Trail) -> Mapping[str, ContactPoint]:
        found = {}
        for address, settings in (raw or {}).items():
            shaped = self._shaped(_ContactPointSchema(), settings or {}, (*trail, address))
            found[address] = ContactPoint(**shaped)
        return MappingProxyType(found)

    def _shaped(self, schema: Schema, raw: Any, trail: Trail) -> dict[str, Any]:
        """What the schema makes of it; when something is wrong, it is reported, and the rest returned."""
        self._note_plain_secrets(schema, raw, trail)
        try:
            shaped = schema.load(raw)
        except ValidationError as error:
            self._explain(error, schema, trail)
            shaped = error.valid_data if isinstance(error.valid_data, dict) else {}
        return dict(shaped)

    def _note_plain_secrets(self, shape: Shape, raw: Any, trail: Trail) -> None:
        if isinstance(shape, Secret) and isinstance(raw, str) and not isinstance(raw, SecretText):
            self._report.warn(trail, "a secret in plain text; move it to {env: NAME} or {file: PATH}")
            self._secrets.known.update({raw} - {""})
        elif isinstance(raw, dict):
            for key, inner in raw.items():
                self._note_plain_secrets(_below(shape, key), inner, (*trail, key))
        elif isinstance(raw, list):
            for index, inner in enumerate(raw):
                self._note_plain_secrets(_below(shape, str(index)), inner, (*trail, str(index)))

    def _explain(self, error: ValidationError, schema: Schema, trail: Trail) -> None:
        for place, message in self._flat(error.messages, trail):
            if self._fails_at(place):
                continue  # said already, and by its cause
            if message == _UNKNOWN:
                self._explain_unknown(place, _keys(schema, place[len(trail) : -1]))
            else:
                self._report.problem(place, _MESSAGES.get(message, self._secrets.strike_out(message.rstrip("."))))

    def _explain_unknown(self, place: Trail, known: list[str]) -> None:
        """Name the key without what follows a colon, for `token:abc` lacks the space before its secret."""
        word, colon, _ = place[-1].partition(":")
        shown = (*place[:-1], word[:40])
        self._report.lines.setdefault(shown, self._report.lines.get(place, 1))
        glued = colon and word in known
        self._report.problem(
            shown, "write a space after the colon" if glued else f"no such setting{_suggestion(word[:40], known)}"
        )

    def _fails_at(self, place: Trail) -> bool:
        """Whether a secret could not be found there or below, so that further complaints say nothing new."""
        return any(failed[: len(place)] == place for failed in self._secrets.failed)

    def _flat(self, messages: Any, trail: Trail) -> Iterator[tuple[Trail, str]]:
        """The nested messages of a schema, each with its place."""
        match messages:
            case dict():
                for key, inner in messages.items():
                    yield from self._flat(inner, self._step(trail, str(key)))
            case list():
                for inner in messages:
                    yield from self._flat(inner, trail)
            case _:
                yield trail, str(messages)

    def _step(self, trail: Trail, key: str) -> Trail:
        """One step down; `_schema`, and `key` and `value` of a Dict field, are marshmallow's own levels."""
        inner = (*trail, key)
        return trail if key == "_schema" or (key in {"key", "value"} and inner not in self._report.lines) else inner
