"""Settings of the process: declared once, read once, passed in. No other module reads the environment.

Each is a field of `Settings`; its variable is `FABRIC_` and the name in capitals. docs/settings.md lists them all.
"""

import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints
from urllib.parse import urlsplit

from platformdirs import user_data_path

from fabric.outbound.addresses import Networks

PREFIX = "FABRIC_"
SHARED_SECRET_ALGORITHMS = frozenset({"HS256"})
PUBLIC_KEY_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
LANGUAGES = tuple(
    """simple arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian indonesian
    irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish swedish tamil turkish
    yiddish""".split()
)
"""Text search configurations that PostgreSQL comes with."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(ValueError):
    """A variable that is unknown, cannot be read or does not fit the others; the message names it, not its value."""


def variable(name: str) -> str:
    """The environment variable of a setting: `data_dir` → `FABRIC_DATA_DIR`."""
    return PREFIX + name.upper()


def _setting(
    meaning: str,
    default: Any = None,
    *,
    shown: str = "",
    secret: bool = False,
    least: float | None = None,
    most: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """One setting. A callable default is asked when the settings are made; `shown` says in words what it will answer.

    A number's range is `least` to `most`, both included. A secret stays out of repr.
    """
    metadata = {"help": meaning, "shown": shown, "least": least, "most": most, "choices": choices}
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


def _data_dir() -> Path:
    return Path("/var/lib/semantic-fabric") if os.geteuid() == 0 else user_data_path("semantic-fabric")


def _log_format() -> str:
    return "console" if sys.stderr.isatty() else "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the process was told. SettingsError if a value is out of range or two do not fit."""

    data_dir: Path = _setting(
        "folder of the embedded database and of the local secrets",
        _data_dir,
        shown="`/var/lib/semantic-fabric` as root, else the user's own data folder",
    )
    database_url: str = _setting(
        "PostgreSQL to serve from, as a role without BYPASSRLS", "", shown="the embedded PostgreSQL", secret=True
    )
    admin_database_url: str = _setting(
        "the same database as a role that may migrate it and build indexes", "", shown="`database_url`", secret=True
    )
    database_password: str = _setting(
        "password that `migrate` gives the serving role", "", shown="generated", secret=True
    )
    host: str = _setting("address to listen on", "127.0.0.1")
    port: int = _setting("TCP port to listen on; 0 takes a free one", 8000, least=0, most=65535)
    allowed_origins: tuple[str, ...] = _setting(
        "origins whose pages may call from a browser, such as `https://app.example`", (), shown="none"
    )
    metrics_host: str = _setting("address that Prometheus metrics are served from", "127.0.0.1")
    metrics_port: int = _setting(
        "TCP port that Prometheus metrics are served from; 0 serves none", 0, least=0, most=65535
    )
    pool_size: int = _setting("database connections held open", 8, least=1, most=1000)
    statement_timeout_seconds: float = _setting("longest that one database statement may run", 10.0, least=0.001)
    shutdown_grace_seconds: float = _setting("time that running requests get when the server stops", 10.0, least=0)
    policy_file: Path | None = _setting("TOML file of roles and permissions", shown="the policy that comes along")

    jwt_algorithms: tuple[str, ...] = _setting("signature algorithms accepted in tokens", ("HS256",))
    jwt_secret_file: Path | None = _setting(
        "file whose bytes are the shared secret of HS256", shown="generated inside `data_dir`"
    )
    jwt_key_file: Path | None = _setting("PEM file of the public key for all other algorithms", shown="none")
    jwks_url: str = _setting("https address of the identity provider's key set", "", shown="none")
    jwt_issuer: str = _setting("issuer (`iss`) that tokens must name", "semantic-fabric")
    jwt_audience: str = _setting("audience (`aud`) that tokens must name", "semantic-fabric")
    jwt_leeway_seconds: int = _setting("clock difference forgiven when a token's times are checked", 5, least=0)

    seal_key_file: Path | None = _setting(
        "PEM file of the Ed25519 key that signs seals", shown="generated inside `data_dir`"
    )
    seal_public_keys_file: Path | None = _setting("PEM file of public keys that signed seals earlier", shown="none")
    events_kept_days: int = _setting("days after which events may be pruned; 0 keeps them for ever", 0, least=0)
    audit_kept_days: int = _setting("days after which audit records may be pruned; 0 keeps them for ever", 0, least=0)

    vault: str = _setting(
        "where the keys of encrypted fields are kept",
        "software",
        choices=("software", "hashicorp", "pkcs11", "aws", "azure", "none"),
    )
    vault_timeout_seconds: float = _setting("longest that a call to the vault may take", 5.0, least=0.1, most=300)
    vault_batch_items: int = _setting("most values in one request to the vault", 150, least=1, most=1000)
    vault_concurrency: int = _setting("requests to AWS KMS or Azure Key Vault at the same time", 16, least=1, most=100)
    vault_keyring_file: Path | None = _setting(
        "file of the software vault's keys", shown="generated inside `data_dir`"
    )
    vault_master_key_file: Path | None = _setting(
        "file whose bytes are the master key that the keyring is sealed under", shown="generated inside `data_dir`"
    )
    vault_address: str = _setting(
        "https address of HashiCorp Vault, OpenBao or the Azure Key Vault, or of an own endpoint of AWS KMS",
        "",
        shown="none",
    )
    vault_plain_http: bool = _setting(
        "whether the vault's address may be http on another machine, as in a network of containers alone", False
    )
    vault_ca_file: Path | None = _setting(
        "PEM file of the certificate authority that the vault is verified by", shown="those that `certifi` lists"
    )
    vault_namespace: str = _setting("namespace of the vault", "", shown="none")
    vault_mount: str = _setting("mount of the transit engine", "transit")
    vault_auth: str = _setting(
        "how to sign in at the vault", "token", choices=("token", "approle", "kubernetes")
    )
    vault_auth_mount: str = _setting("mount of the way to sign in", "", shown="its own name")
    vault_role: str = _setting("AppRole's role id, or the role of Kubernetes, that writes", "", shown="none")
    vault_unlock_role: str = _setting("the same that unlocks", "", shown="`vault_role`")
    vault_rotate_role: str = _setting("the same that rotates", "", shown="`vault_role`")
    vault_credential_file: Path | None = _setting(
        "file of the token, of AppRole's secret id, or of the service account's token, that writes",
        shown="of Kubernetes, where it mounts the token",
    )
    vault_unlock_credential_file: Path | None = _setting("the same that unlocks", shown="`vault_credential_file`")
    vault_rotate_credential_file: Path | None = _setting("the same that rotates", shown="`vault_credential_file`")
    vault_aws_region: str = _setting("region of AWS KMS", "", shown="none")
    vault_azure_hsm: bool = _setting(
        "whether Azure Key Vault makes new keys inside an HSM, which takes its Premium tier", False
    )
    vault_pkcs11_library: Path | None = _setting("the PKCS#11 library of a token's maker", shown="none")
    vault_pkcs11_token: str = _setting("label of the PKCS#11 token", "", shown="none")
    vault_pkcs11_pin_file: Path | None = _setting("file of the token's user PIN", shown="none")

    log_format: str = _setting(
        "form of the log", _log_format, shown="`console` on a terminal, else `json`", choices=("json", "console")
    )
    log_level: str = _setting("least severity logged", "info", choices=("debug", "info", "warning", "error"))

    max_body_bytes: int = _setting("longest request body, in bytes, checked before parsing", 1_000_000, least=1)
    body_timeout_seconds: float = _setting("longest that a request's body may take to arrive", 30.0, least=0.001)
    max_tokens: int = _setting("most lexer tokens in one GraphQL document", 10_000, least=1)
    max_values: int = _setting("most values in the variables of one request", 50_000, least=1)
    max_depth: int = _setting("deepest nesting of selections", 30, least=1)
    max_aliases: int = _setting("most aliases in one document", 100, least=0)
    max_directives: int = _setting("most directives in one document", 50, least=0)
    max_cost: int = _setting("most rows that one request may ask for, counted from its page sizes", 1_000_000, least=1)
    max_connections_per_actor: int = _setting(
        "most WebSockets and streams that one subject of an organization may hold open, in each process", 100, least=1
    )
    max_subscriptions_per_actor: int = _setting(
        "most subscriptions that one subject of an organization may run, in each process", 1_000, least=1
    )
    max_operations_per_connection: int = _setting(
        "most operations that may run over one WebSocket at the same time", 100, least=1
    )
    initialisation_timeout_seconds: float = _setting(
        "time that a new WebSocket gets to send `connection_init`", 10.0, least=0.1
    )
    keep_alive_seconds: float = _setting(
        "time between two signs of life to a client that streams; each is a check of its token too", 20.0, least=0.1
    )
    slow_consumer_seconds: float = _setting(
        "time that a client may leave unread what is sent to it", 10.0, least=0.1
    )
    max_page_size: int = _setting("most items that one page may ask for", 1_000, least=1)
    default_page_size: int = _setting("items in a page that does not say", 50, least=1)
    max_graph_depth: int = _setting("deepest that the link graph is walked", 10, least=1)
    max_graph_links: int = _setting("most links that the walks of one request may look at", 1_000_000, least=1)
    graph_memory_bytes: int = _setting(
        "memory for link graphs, in bytes; beyond it those that were not used for longest are forgotten; "
        "a quarter of it more is for the inferred links that walks follow",
        2 * 2**30,
        least=0,
        shown="2 GiB",
    )
    graph_timeout_seconds: float = _setting(
        "longest that a request waits for a graph to load, or for a position to be reached", 10.0, least=0.001
    )
    documents: str = _setting("which GraphQL documents run", "any", choices=("any", "registered"))
    automatic_persisted_queries: bool = _setting(
        "whether clients may leave documents in memory, to ask for them by their hash", False
    )
    max_exports: int = _setting(
        "exports that run at once, each with a database connection; fewer than `pool_size`", 2, least=0
    )
    export_seconds: float = _setting("longest that one export may take", 3600.0, least=0.001)
    export_stall_seconds: float = _setting(
        "longest that an export may wait for the database, or for its reader to take 64 kB", 30.0, least=0.001
    )
    max_sparql_queries: int = _setting("SPARQL queries that are answered at once; 0 answers none", 4, least=0)
    max_sparql_queries_each: int = _setting("the same of one subject", 2, least=1)
    sparql_seconds: float = _setting("longest that a SPARQL query may take", 10.0, least=0.001)
    max_sparql_rows: int = _setting("most solutions or triples that a SPARQL query may give", 100_000, least=1)
    max_sparql_bytes: int = _setting(
        "longest answer to a SPARQL query, in bytes", 64 * 2**20, least=1, shown="64 MiB"
    )
    sparql_query_memory_bytes: int = _setting(
        "memory that a SPARQL query may take beside the graph that it asks, in bytes", 512 * 2**20, least=2**24,
        shown="512 MiB",
    )
    sparql_memory_bytes: int = _setting(
        "memory for graphs that SPARQL asks, in bytes; of one, and of all that are kept", 2**30, least=2**28,
        shown="1 GiB",
    )
    validation_seconds: float = _setting("longest that the check of SHACL shapes may take", 600.0, least=1)
    validation_memory_bytes: int = _setting(
        "memory that the check of SHACL shapes may take, in bytes", 2**30, least=2**26, shown="1 GiB"
    )
    schema_cache_size: int = _setting("GraphQL schemas kept in memory", 64, least=1)
    document_cache_size: int = _setting("parsed and planned documents kept in memory", 1_000, least=1)
    rdf_fetch: bool = _setting(
        "whether `import rdf` fetches what `owl:imports` and JSON-LD contexts name, from public https addresses", False
    )
    webhooks: bool = _setting("whether this process delivers webhooks; they can be managed in any case", True)
    webhook_allowed_networks: tuple[str, ...] = _setting(
        "networks that webhooks may be sent to though they are not public, also over http, such as `10.1.0.0/16`",
        (),
        shown="none",
    )
    webhook_ca_file: Path | None = _setting(
        "PEM file of certificate authorities that receivers are verified by, beside those of the system", shown="none"
    )
    webhook_timeout_seconds: float = _setting("longest that a receiver may take for a message", 15.0, least=0.1)
    webhook_concurrency: int = _setting("messages that this process sends at the same time", 64, least=1, most=1000)
    webhook_retry_seconds: float = _setting(
        "pause before a message is tried again; it doubles each time, to an hour", 2.0, least=0.01, most=3600
    )
    webhook_give_up_hours: float = _setting("time after which a message is not tried again", 72.0, least=0)
    max_webhooks: int = _setting("most webhooks at one label of an organization", 100, least=0)
    unlock_limit: int = _setting("most encrypted fields that one person may unlock within the window", 60, least=0)
    unlock_window_seconds: float = _setting("the window of that limit", 3600.0, least=1, most=30 * 86400)
    unlock_request_seconds: float = _setting(
        "time that a request for an unlock may be approved and collected", 3600.0, least=1
    )
    rotation_days: float = _setting("age at which a key gets a new version; 0 leaves that to people", 0.0, least=0)
    rotation_rows_per_second: float = _setting(
        "most encrypted values that a rotation puts under the new version in a second", 1_000.0, least=0.1
    )
    embeddings: str = _setting(
        "what makes vectors of text: an endpoint, a model in this process, feature hashing, or nothing",
        "auto",
        choices=("auto", "endpoint", "local", "hashing", "none"),
    )
    embedding_url: str = _setting(
        "address of an OpenAI-compatible endpoint, such as `https://api.openai.com/v1`", "", shown="none"
    )
    embedding_key_file: Path | None = _setting("file whose text is the endpoint's API key", shown="none")
    embedding_model: str = _setting("model that the endpoint is asked for", "text-embedding-3-small")
    embedding_dimensions: int = _setting(
        "length of vectors that the endpoint is asked for; 0 takes the model's own", 0, least=0, most=16_000
    )
    embedding_batch_tokens: int = _setting("most tokens in one request to the endpoint", 50_000, least=100)
    embedding_requests_per_minute: int = _setting(
        "most requests in a minute that the endpoint is sent for indexing; 0 is no limit", 0, least=0
    )
    embedding_timeout_seconds: float = _setting("longest that one such request may take", 30.0, least=0.1)
    embedding_query_seconds: float = _setting(
        "longest that a search waits for the vector of its query; after that it goes by words alone", 3.0, least=0.01
    )
    embedding_model_folder: Path | None = _setting(
        "folder of a sentence encoder of BERT's form that is run in this process",
        shown="all-MiniLM-L6-v2, where it is installed",
    )
    search_language: str = _setting(
        "language of the words that are searched, where an organization has chosen none", "english", choices=LANGUAGES
    )
    inference: bool = _setting("whether this process infers links by the rules of definitions", True)
    max_inferred_links: int = _setting(
        "most links that are inferred for any one clearance; a rule that goes beyond is stopped", 500_000, least=1
    )
    vector_memory_bytes: int = _setting(
        "memory for vectors, in bytes; beyond it those that were not searched for longest are forgotten",
        2**30,
        least=0,
        shown="1 GiB",
    )
    search_indexing: bool = _setting("whether this process makes words and vectors of what changes", True)

    job_slots: int = _setting("jobs that this process works on at the same time; 0 leaves them to others", 2, least=0)
    max_jobs: int = _setting("most jobs that wait or run at one label of an organization", 20, least=0)

    console: bool = _setting("whether browsers get GraphiQL at `/graphql`", True)
    introspection: bool = _setting("whether the schema may be introspected", True)

    @classmethod
    def load(cls, environ: Mapping[str, str], **overrides: Any) -> Self:
        """Settings from `environ`; overrides (typed values, such as command-line options) win unless they are None.

        An empty variable counts as absent. SettingsError names a variable at fault and the nearest known ones.
        """
        declared = {variable(f.name): f for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in environ.items():
            if not name.startswith(PREFIX):
                continue
            if name not in declared:
                raise SettingsError(f"{name} is not a setting{_suggestion(name, declared)}")
            if text:
                values[declared[name].name] = _parse(declared[name], text)
        return cls(**values | {name: value for name, value in overrides.items() if value is not None})

    def __post_init__(self) -> None:
        for declared in fields(self):
            _check(declared, getattr(self, declared.name))
        known = SHARED_SECRET_ALGORITHMS | PUBLIC_KEY_ALGORITHMS
        if not self.jwt_algorithms or not set(self.jwt_algorithms) <= known:
            _refuse("jwt_algorithms", f"must list some of {', '.join(sorted(known))}")
        if set(self.jwt_algorithms) & PUBLIC_KEY_ALGORITHMS and not (self.jwt_key_file or self.jwks_url):
            _refuse("jwt_algorithms", f"needs {variable('jwt_key_file')} or {variable('jwks_url')}")
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
                _refuse("allowed_origins", "must list origins: scheme, host and port only, no path, no *")
        if self.jwks_url and not _trustworthy(self.jwks_url):
            _refuse("jwks_url", "must be an https address; http only on this machine")
        self._check_vault()
        if self.embedding_url and urlsplit(self.embedding_url).scheme not in ("http", "https"):
            _refuse("embedding_url", "must be an http or https address")
        if self.embeddings == "endpoint" and not self.embedding_url:
            _refuse("embeddings", f"needs {variable('embedding_url')} for an endpoint")
        try:
            Networks.parse(self.webhook_allowed_networks)
        except ValueError:
            _refuse("webhook_allowed_networks", "must list networks, without bits beyond their prefixes")
        for name in ("database_url", "admin_database_url"):
            if getattr(self, name) and not getattr(self, name).startswith(("postgresql://", "postgres://")):
                _refuse(name, "must start with postgresql://")
        if self.documents == "registered" and self.automatic_persisted_queries:
            _refuse("automatic_persisted_queries", f"must be false where {variable('documents')} is registered")
        if self.max_exports >= self.pool_size:
            _refuse("max_exports", f"must be less than {variable('pool_size')}: other requests need connections too")
        if self.default_page_size > self.max_page_size:
            _refuse("default_page_size", f"must not exceed {variable('max_page_size')}")

    def _check_vault(self) -> None:
        needed: tuple[str, ...] = {
            "hashicorp": ("vault_address",),
            "azure": ("vault_address",),
            "aws": ("vault_aws_region",),
            "pkcs11": ("vault_pkcs11_library", "vault_pkcs11_token", "vault_pkcs11_pin_file"),
        }.get(self.vault, ())
        for name in needed:
            if not getattr(self, name):
                _refuse(name, f"is needed where {variable('vault')} is {self.vault}")
        plain_http = self.vault_plain_http and self.vault == "hashicorp"
        if self.vault_address and not _trustworthy(self.vault_address, anywhere=plain_http):
            _refuse("vault_address", "must be an https address; http only on this machine")
        if self.vault == "hashicorp":
            self._check_hashicorp()

    def _check_hashicorp(self) -> None:
        if self.vault_auth != "kubernetes" and not self.vault_credential_file:
            _refuse("vault_credential_file", f"is needed where {variable('vault_auth')} is {self.vault_auth}")
        if self.vault_auth != "token" and not self.vault_role:
            _refuse("vault_role", f"is needed where {variable('vault_auth')} is {self.vault_auth}")


def _refuse(name: str, why: str) -> None:
    raise SettingsError(f"{variable(name)} {why}")


def _suggestion(name: str, declared: Mapping[str, Field[Any]]) -> str:
    near = get_close_matches(name, declared, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "; docs/settings.md lists them all"


def _trustworthy(url: str, *, anywhere: bool = False) -> bool:
    """Whether it is an https address, or an http one of this machine, or `anywhere`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    schemes = {"http", "https"} if anywhere or parts.hostname in _LOOPBACK else {"https"}
    return bool(parts.hostname) and parts.scheme in schemes


def kind(declared: Field[Any]) -> type:
    """A setting's type, without its `None`."""
    hint = get_type_hints(Settings)[declared.name]
    options = [option for option in get_args(hint) if option is not type(None)]
    return options[0] if type(None) in get_args(hint) else hint  # type: ignore[no-any-return]


def _boolean(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}[
        text.lower()
    ]


_READERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_boolean, "true or false"),
    Path: (lambda text: Path(text).expanduser(), "a path"),
    tuple[str, ...]: (lambda text: tuple(part.strip() for part in text.split(",")), "names with commas between"),
}


def _parse(declared: Field[Any], text: str) -> Any:
    read, wanted = _READERS[kind(declared)]
    try:
        return read(text.strip())
    except (ValueError, KeyError, RuntimeError):
        raise SettingsError(f"{variable(declared.name)} must be {wanted}") from None


def _check(declared: Field[Any], value: Any) -> None:
    choices, least, most = (declared.metadata[key] for key in ("choices", "least", "most"))
    if choices and value not in choices:
        _refuse(declared.name, f"must be one of {', '.join(choices)}")
    if least is not None and not (least <= value <= most and math.isfinite(value)):
        _refuse(declared.name, f"must be at least {least}" + (f" and at most {most}" if most < math.inf else ""))
