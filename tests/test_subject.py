from dataclasses import FrozenInstanceError, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import BadInput, Forbidden
from fabric.identity.subject import Session, Subject
from fabric.labels import Label, Lattice, Level, code, dominates

LATTICE = Lattice(("ALPHA", "BRAVO", "CHARLIE"))
CODES = st.builds(code, st.sampled_from(Level), st.integers(0, 7))


def subject(clearance: str = "SECRET/ALPHA") -> Subject:
    value = LATTICE.encode(Label.parse(clearance))
    return Subject(
        organization_id=UUID(int=7),
        organization="acme",
        subject="ann",
        roles=frozenset({"reader"}),
        permissions=frozenset({"object:read"}),
        clearance=value,
        label=value,
        expires_at=2e9,
    )


def refusal(asked: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        subject().lowered_to(asked, LATTICE)
    return caught.value


def test_the_session_is_the_organization_and_the_session_label() -> None:
    lowered = subject().lowered(0)
    assert lowered.session == Session(UUID(int=7), 0)


def test_a_permission_the_subject_has_is_granted() -> None:
    subject().require("object:read")


def test_forbidden_names_the_missing_permission() -> None:
    with pytest.raises(Forbidden, match="keys:rotate"):
        subject().require("keys:rotate")


@given(CODES, CODES)
def test_lowering_succeeds_exactly_under_dominance(clearance: int, label: int) -> None:
    asking = replace(subject(), clearance=clearance, label=clearance)
    if dominates(clearance, label):
        assert asking.lowered(label) == replace(asking, label=label)
    else:
        with pytest.raises(BadInput):
            asking.lowered(label)


def test_the_clearance_bounds_what_a_lowered_subject_may_ask_for() -> None:
    assert subject().lowered(0).lowered_to("SECRET/ALPHA", LATTICE) == subject()


@pytest.mark.parametrize("asked", ["SECRET/ZULU", "SECRET/ALPHA,ZULU", "TOP_SECRET/ZULU", "TOP_SECRET"])
def test_an_unknown_compartment_and_one_out_of_reach_give_equal_errors(asked: str) -> None:
    unknown, out_of_reach = refusal(asked), refusal("SECRET/BRAVO")
    assert (unknown.message, unknown.path, unknown.code) == (out_of_reach.message, out_of_reach.path, out_of_reach.code)
    assert unknown.path == ("Fabric-Session-Label",)
    assert unknown.args == out_of_reach.args
    assert unknown.__cause__ is None


@pytest.mark.parametrize("asked", ["", "secret", "SECRET/", "SECRET/alpha", "SECRET/ALPHA\0", "SECRET/ALPHA/BRAVO"])
def test_a_malformed_session_label_is_bad_input_at_the_header(asked: str) -> None:
    assert refusal(asked).path == ("Fabric-Session-Label",)


def test_a_subject_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        subject().label = 1  # type: ignore[misc]
