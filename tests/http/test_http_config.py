"""The configuration over GraphQL, and searches that go by it."""

import asyncio
from typing import Any

from http_server import Tenant, eventually

from fabric.configuration.configurations import Configurations
from fabric.configuration.options import OPTIONS
from fabric.database.db import Database
from fabric.identity.organizations import Directory
from graphql_api.cli.database import operator

CONFIG = "{ config { name value default chosen description choices least most } }"
SET = "mutation ($values: JSON!) { setConfig(values: $values) { changed config { name value chosen } } }"
SEARCH = '{ search(query: "pump", mode: TEXT) { nodes { score } } }'
NOTE = {"typeName": "Note", "fields": {"text": {"type": "string", "searchable": True}}}
WEIGHT = "search.weights.text"
ONCE, THRICE = round(1 / 61, 6), round(3 / 61, 6)
"""What the first hit scores by one ranking of this weight."""


def choose(tenant: Tenant, **who: Any) -> Any:
    return tenant.ask(SET, {"values": {WEIGHT: 2}}, **who)


async def choose_elsewhere(tenant: Tenant, values: dict[str, Any]) -> None:
    async with await Database.connect(tenant.server.database_url, size=1) as database:
        organization = await Directory(database).find(tenant.name)
        assert organization is not None
        await Configurations(database).change(operator(organization, 0), values)


def found(tenant: Tenant, text: str, **who: Any) -> int:
    query = "query ($text: String!) { search(query: $text, mode: TEXT) { nodes { score } } }"
    return len(tenant.data(query, {"text": text}, **who)["search"]["nodes"])


def scores(tenant: Tenant, label: str = "UNCLASSIFIED") -> list[float]:
    return [hit["score"] for hit in tenant.data(SEARCH, label=label)["search"]["nodes"]]


def test_every_option_is_told_with_what_it_may_be(organization: Tenant) -> None:
    found = {each["name"]: each for each in organization.data(CONFIG)["config"]}
    assert list(found) == list(OPTIONS)
    assert found[WEIGHT] == {
        "name": WEIGHT, "value": 1.0, "default": 1.0, "chosen": False, "choices": None, "least": 0.0,
        "most": 10.0, "description": found[WEIGHT]["description"],
    }  # fmt: skip
    assert {"english", "german", "simple"} <= set(found["search.language"]["choices"])


def test_what_is_chosen_is_told_and_another_organization_has_its_own(
    organization: Tenant, other_organization: Tenant
) -> None:
    answer = choose(organization).data["setConfig"]
    assert answer["changed"] == [WEIGHT]
    assert {"name": WEIGHT, "value": 2.0, "chosen": True} in answer["config"]
    assert {(each["value"], each["chosen"]) for each in other_organization.data(CONFIG)["config"]} == {
        (option.default, False) for option in OPTIONS.values()
    }


def test_it_takes_the_permission_and_the_lowest_label(organization: Tenant) -> None:
    for query, variables in ((CONFIG, None), (SET, {"values": {WEIGHT: 2}})):
        organization.ask(query, variables, roles=("writer", "designer", "auditor")).refused("FORBIDDEN")
    choose(organization, label="SECRET").refused()
    assert choose(organization, label="SECRET", session_label="UNCLASSIFIED").data


def test_what_cannot_be_is_refused_by_name(organization: Tenant) -> None:
    answer = organization.ask(SET, {"values": {WEIGHT: "much", "search.speed": 1}}).refused()
    paths = [error["extensions"]["inputPath"] for error in answer.errors]
    assert paths == [["values", WEIGHT], ["values", "search.speed"]]
    for nothing in (7, [WEIGHT]):
        organization.ask(SET, {"values": nothing}).refused(path=["values"])


def test_organizations_search_in_different_languages_and_one_that_changes_it_need_not_wait(
    organization: Tenant, other_organization: Tenant
) -> None:
    for tenant in (organization, other_organization):
        tenant.define(NOTE)
        tenant.data('mutation { createNote(input: {text: "Häuser"}) { position } }')
    tenants = (organization, other_organization)
    eventually(lambda: [found(tenant, "Häuser") for tenant in tenants] == [1, 1])
    assert [found(tenant, "Häusern") for tenant in tenants] == [0, 0]
    organization.data(SET, {"values": {"search.language": "german"}})
    assert found(organization, "Häuser") in (0, 1)
    eventually(lambda: found(organization, "Häusern") == 1)
    assert found(organization, "Häusern", label="SECRET/ALPHA") == 1
    assert found(other_organization, "Häusern") == 0
    refused = organization.ask(SET, {"values": {"search.language": "klingon"}}).refused()
    assert "german" in refused.errors[0]["message"]


def test_searches_go_by_what_another_process_chooses(assets: Tenant, other_organization: Tenant) -> None:
    asset = {"typeName": "Asset", "fields": {"name": {"type": "string", "required": True, "searchable": True}}}
    for tenant in (assets, other_organization):
        tenant.define(asset)
        tenant.data('mutation { createAsset(input: {name: "pump"}) { position } }')
        eventually(lambda tenant=tenant: bool(scores(tenant)))
    assert scores(assets) == [ONCE]
    asyncio.run(choose_elsewhere(assets, {WEIGHT: 3}))
    eventually(lambda: scores(assets) != [ONCE])
    for label in ("UNCLASSIFIED", "SECRET/ALPHA"):
        assert scores(assets, label) == [THRICE]
    assert scores(other_organization) == [ONCE]
