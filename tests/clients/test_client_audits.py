"""The reference suite of GraphQL over HTTP, run against the live server."""

from workshop import Workshop, client

NUMBER = 61

pytestmark = client("graphql-http")


def test_every_audit_passes(workshop: Workshop) -> None:
    audits = workshop.ask("audits.mjs")
    assert len(audits) == NUMBER
    assert [audit for audit in audits if audit["status"] != "ok"] == []
