import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from fabric import settings as declared
from fabric.settings import Settings, SettingsError, variable

DOCUMENT = Path(__file__).parent.parent / "docs" / "settings.md"
KINDS = {str: "text", int: "integer", float: "number", bool: "boolean", Path: "path", tuple[str, ...]: "list"}


def default(field: Any) -> str:
    if field.metadata["shown"]:
        return str(field.metadata["shown"])
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{','.join(field.default)}`" if isinstance(field.default, tuple) else f"`{field.default}`"


def row(field: Any) -> str:
    kind = " or ".join(f"`{choice}`" for choice in field.metadata["choices"]) or KINDS[declared.kind(field)]
    return f"| `{variable(field.name)}` | {kind} | {default(field)} | {field.metadata['help']} |"


def test_the_document_lists_every_setting_and_no_other() -> None:
    documented = re.findall(r"^\| `FABRIC_.*$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(row(field) for field in fields(Settings))


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_a_container_is_given_only_settings_that_exist(name: str) -> None:
    given = set(re.findall(r"\bFABRIC_[A-Z_]+", (DOCUMENT.parent.parent / name).read_text()))
    assert given
    assert given <= {variable(field.name) for field in fields(Settings)}


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.load({})
    assert (settings.host, settings.port, settings.database_url, settings.jwt_algorithms) == (
        "127.0.0.1", 8000, "", ("HS256",)
    )  # fmt: skip


def test_each_type_is_read_from_text() -> None:
    settings = Settings.load(
        {
            "FABRIC_PORT": "8080",
            "FABRIC_INTROSPECTION": "No",
            "FABRIC_STATEMENT_TIMEOUT_SECONDS": "2.5",
            "FABRIC_POLICY_FILE": "/etc/policy.toml",
            "FABRIC_JWT_ALGORITHMS": "RS256, EdDSA",
            "FABRIC_JWKS_URL": "https://id.example/keys",
            "FABRIC_HOST": "::1",
        }
    )
    assert (settings.port, settings.introspection, settings.statement_timeout_seconds) == (8080, False, 2.5)
    assert settings.policy_file == Path("/etc/policy.toml")
    assert settings.jwt_algorithms == ("RS256", "EdDSA")
    assert settings.host == "::1"


def test_an_empty_variable_counts_as_absent() -> None:
    assert Settings.load({"FABRIC_PORT": "", "FABRIC_POLICY_FILE": ""}) == Settings.load({})


def test_overrides_win_unless_they_are_none() -> None:
    settings = Settings.load({"FABRIC_PORT": "1", "FABRIC_HOST": "::1"}, port=2, host=None)
    assert (settings.port, settings.host) == (2, "::1")


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.load({"PATH": "/bin", "PORT": "9"}) == Settings.load({})


def test_an_unknown_variable_names_itself_and_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"FABRIC_DATABSE_URL is not a setting; did you mean FABRIC_DATABASE_URL"):
        Settings.load({"FABRIC_DATABSE_URL": "x"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FABRIC_PORT", "http"),
        ("FABRIC_PORT", "65536"),
        ("FABRIC_PORT", "-1"),
        ("FABRIC_POOL_SIZE", "0"),
        ("FABRIC_STATEMENT_TIMEOUT_SECONDS", "nan"),
        ("FABRIC_STATEMENT_TIMEOUT_SECONDS", "inf"),
        ("FABRIC_STATEMENT_TIMEOUT_SECONDS", "0"),
        ("FABRIC_INTROSPECTION", "maybe"),
        ("FABRIC_LOG_LEVEL", "loud"),
        ("FABRIC_JWT_ALGORITHMS", "none"),
        ("FABRIC_JWT_ALGORITHMS", "HS256,none"),
        ("FABRIC_JWT_ALGORITHMS", "RS256"),
        ("FABRIC_JWKS_URL", "http://keys.example/jwks"),
        ("FABRIC_JWKS_URL", "https:///jwks"),
        ("FABRIC_JWKS_URL", "file://localhost/jwks"),
        ("FABRIC_JWKS_URL", "https://[::1/jwks"),
        ("FABRIC_DATABASE_URL", "mysql://host/db"),
        ("FABRIC_DEFAULT_PAGE_SIZE", "1001"),
        ("FABRIC_MAX_EXPORTS", "8"),
        ("FABRIC_EXPORT_SECONDS", "0"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: text})


def test_overrides_are_checked_like_variables() -> None:
    with pytest.raises(SettingsError, match="FABRIC_PORT"):
        Settings.load({}, port=70000)


def test_a_public_key_algorithm_is_fine_with_its_key() -> None:
    settings = Settings.load({"FABRIC_JWT_ALGORITHMS": "EdDSA", "FABRIC_JWT_KEY_FILE": "/etc/key.pem"})
    assert settings.jwt_algorithms == ("EdDSA",)


def test_secrets_are_in_neither_repr_nor_error() -> None:
    url = "postgresql://role:canary@host/db"
    shown = repr(Settings.load({}, database_url=url, admin_database_url=url, database_password="canary"))
    assert "canary" not in shown
    assert "port=8000" in shown
    with pytest.raises(SettingsError) as refused:
        Settings.load({"FABRIC_DATABASE_URL": url.replace("postgresql", "mysql")})
    assert "canary" not in str(refused.value)


def test_the_folder_of_root_is_the_systems_and_of_others_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert Settings.load({}).data_dir == Path("/var/lib/semantic-fabric")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert Settings.load({}).data_dir.name == "semantic-fabric"
    assert Settings.load({}).data_dir != Path("/var/lib/semantic-fabric")


def test_a_copy_with_a_bad_value_is_refused_too() -> None:
    with pytest.raises(SettingsError, match="FABRIC_MAX_DEPTH"):
        replace(Settings.load({}), max_depth=0)
