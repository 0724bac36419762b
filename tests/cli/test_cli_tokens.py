"""`organization`, `token` and `tokens revoke`."""

import asyncio
import re
from pathlib import Path

import jwt
import pytest
from command_line import Run, token
from databases import run_sql


def test_an_organization_is_made_once_and_extended(run: Run) -> None:
    made = run("organization", "acme", "--compartment", "BRAVO", "--compartment", "ALPHA")
    assert made.out == "new: organization acme, compartment BRAVO, compartment ALPHA; its compartments: BRAVO, ALPHA\n"
    more = run("organization", "acme", "--compartment", "ALPHA", "--compartment", "CHARLIE")
    assert more.out == "new: compartment CHARLIE; its compartments: BRAVO, ALPHA, CHARLIE\n"
    assert run("organization", "acme").out == "acme: nothing new; its compartments: BRAVO, ALPHA, CHARLIE\n"


@pytest.mark.parametrize("arguments", [[""], ["x" * 201], ["acme", "--compartment", "alpha"]])
def test_names_that_cannot_be_are_refused(run: Run, arguments: list[str]) -> None:
    assert run("organization", *arguments).refusal


def test_standard_output_has_the_token_alone(run: Run, tmp_path: Path) -> None:
    run("organization", "acme", "--compartment", "ALPHA")
    printed = run(*token("--role", "designer", "--expires", "30d", clearance="SECRET/ALPHA")).out
    claims = jwt.decode(
        printed.removesuffix("\n"), (tmp_path / "jwt").read_bytes(), ["HS256"], audience="semantic-fabric"
    )
    assert (claims["org"], claims["sub"], claims["clearance"]) == ("acme", "ann", "SECRET/ALPHA")
    assert claims["roles"] == ["designer", "writer"]
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600


def test_a_token_that_nobody_could_use_is_refused_with_what_to_do(run: Run) -> None:
    assert (
        "`semantic-fabric organization 'a b' --compartment X` makes it"
        in run(*token(organization="a b", clearance="SECRET/X")).refusal
    )
    run("organization", "acme", "--compartment", "ALPHA")
    assert "`semantic-fabric organization acme --compartment X` adds" in run(*token(clearance="SECRET/ALPHA,X")).refusal
    assert "did you mean writer?" in run(*token(role="writr")).refusal
    assert "no server would take this token" in run(*token("--subject", "x" * 300)).refusal


@pytest.mark.parametrize("expires", ["0d", "12", "h", "-1d", "1w", "999999d"])
def test_a_time_that_cannot_be_read_is_a_slip_in_the_option(bare: Run, expires: str) -> None:
    outcome = bare(*token("--expires", expires))
    assert outcome.code == 2
    assert "such as 30d, 12h or 90m" in outcome.err


def revoke(*more: str, organization: str = "acme", reason: str = "laptop lost") -> list[str]:
    return ["tokens", "revoke", "--organization", organization, "--reason", reason, *more]


def test_tokens_are_revoked_by_id_or_by_subject(run: Run, admin_url: str) -> None:
    run("organization", "acme")
    assert run(*revoke("--token-id", "t-1")).out == "acme: the token t-1 is refused\n"
    moment = "2026-01-10T08:00:00+01:00"
    told = "acme: tokens of ann that were issued until 2026-01-10T07:00:00Z are refused\n"
    assert run(*revoke("--subject", "ann", "--issued-until", moment)).out == told
    assert re.fullmatch(r"acme: tokens of bea .* until 20\S+Z are refused\n", run(*revoke("--subject", "bea")).out)
    rows = asyncio.run(run_sql(admin_url, "select kind, name, reason from fabric.revocations order by 1, 2"))
    assert [tuple(row) for row in rows] == [
        ("subject", "ann", "laptop lost"), ("subject", "bea", "laptop lost"), ("token", "t-1", "laptop lost")
    ]  # fmt: skip


def test_a_revocation_that_cannot_be_meant_is_refused_with_what_to_do(run: Run) -> None:
    run("organization", "acme")
    assert "either --token-id or --subject" in run(*revoke()).refusal
    assert "either --token-id or --subject" in run(*revoke("--token-id", "a", "--subject", "b")).refusal
    assert "is for --subject" in run(*revoke("--token-id", "a", "--issued-until", "2026-01-10T08:00:00Z")).refusal
    assert "yet to come" in run(*revoke("--subject", "ann", "--issued-until", "2999-01-10T08:00:00Z")).refusal
    assert "printable" in run(*revoke("--subject", "")).refusal
    assert "a reason is required" in run(*revoke("--subject", "ann", reason=" ")).refusal
    assert "`semantic-fabric organization nobody`" in run(*revoke("--subject", "a", organization="nobody")).refusal


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-01-10", "2026-01-10T08:00:00"])
def test_a_moment_has_a_time_zone(run: Run, moment: str) -> None:
    outcome = run(*revoke("--subject", "ann", "--issued-until", moment))
    assert outcome.code == 2
    assert "2026-01-10T08:00:00Z" in outcome.err


def test_revoking_needs_the_rights_of_an_administrator(run: Run, server_url: str) -> None:
    run("organization", "acme")
    refusal = run(*revoke("--subject", "ann", "--admin-database-url", server_url)).refusal
    assert "FABRIC_ADMIN_DATABASE_URL" in refusal


@pytest.mark.parametrize(
    "setting",
    [{"FABRIC_JWKS_URL": "https://id.example/keys"}, {"FABRIC_JWT_ALGORITHMS": "RS256", "FABRIC_JWT_KEY_FILE": "k"}],
)
@pytest.mark.parametrize("command", [token(), ["demo", "--port", "0"]])
def test_where_public_keys_verify_the_identity_provider_issues(
    run: Run, environment: pytest.MonkeyPatch, setting: dict[str, str], command: list[str]
) -> None:
    for name, value in setting.items():
        environment.setenv(name, value)
    assert "the identity provider issues them" in run(*command).refusal
