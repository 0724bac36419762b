"""Documents: what is too much is refused before any work is done on it, what is known is not prepared again."""

from dataclasses import replace

import pytest
from graphql import GraphQLSchema

from compiler.ground import Ground
from compiler.house import House
from fabric.errors import BadInput, TooComplex
from graphql_api.documents.documents import DocumentLimits, Documents, Invalid, Operation

LIMITS = DocumentLimits(tokens=2_000, depth=5, aliases=5, directives=5, introspection=True)


@pytest.fixture(scope="module")
def schema(ground: Ground, house: House) -> GraphQLSchema:
    subject = ground.subject(house.organization, "UNCLASSIFIED")
    catalogue = ground.run(ground.types.catalogue(subject.session))
    return ground.compiler(house.organization, catalogue).surface.schema


@pytest.fixture
def documents(schema: GraphQLSchema) -> Documents:
    return Documents(schema, LIMITS, capacity=3)


_TWICE = " ".join(f"f{i}: totalCount" for i in range(3))


@pytest.mark.parametrize(
    "text",
    [
        "{ sites { " + "totalCount " * 2_000 + "} }",
        "{ sites { nodes { equipment { nodes { sensors { totalCount } } } } } }",
        "{ ...A } fragment A on Query { sites { nodes { equipment { nodes { sensors { totalCount } } } } } }",
        "{ sites { " + " ".join(f"f{i}: totalCount" for i in range(6)) + " } }",
        f"{{ sites {{ ...A ... on SiteConnection {{ ...A }} }} }} fragment A on SiteConnection {{ {_TWICE} }}",
        "{ sites { totalCount" + " @skip(if: false)" * 6 + " } }",
        "{ " + "... @include(if: true) { " * 6 + "__typename" + " }" * 7,
        "{ sites { " + "... { " * 300 + "totalCount" + " }" * 302,
        "{ ...F0 } "
        + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(200))
        + " fragment F200 on Query { __typename }",
        "{ ...F0 } "
        + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(30))
        + " fragment F30 on Query { __typename }",
    ],
    ids="tokens depth depth-spread aliases aliases-twice directives directives-inside inline chain doubling".split(),
)
def test_what_goes_beyond_a_limit_is_refused(documents: Documents, text: str) -> None:
    with pytest.raises(TooComplex):
        documents.operation(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "{ sites { " + "totalCount " * 40 + "} }",
        "{ sites { nodes { equipment { nodes { name } } } } }",
        "{ sites { " + " ".join(f"f{i}: totalCount" for i in range(5)) + " } }",
        "{ sites { totalCount" + " @skip(if: false)" * 1 + " } }",
    ],
)
def test_what_just_keeps_to_the_limits_is_taken(documents: Documents, text: str) -> None:
    assert documents.operation(text, None).is_query


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{ nowhere }",
        "{ sites { totalCount(a: 1) } }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...A } fragment A on Query { sites { nodes { ...B } } } fragment B on Site { equipment { nodes { ...A } } }",
        "query($x: Int) { sites(where: $x) { totalCount } }",
        "query($x: Int) { sites { totalCount } }",
        '{ sites(where: {area: {lt: "nine"}}) { totalCount } }',
    ],
)
def test_what_does_not_fit_the_schema_is_invalid(documents: Documents, text: str) -> None:
    with pytest.raises(Invalid):
        documents.operation(text, None)


def test_an_operation_is_found_by_its_name(documents: Documents) -> None:
    text = "query A { sites { totalCount } } mutation B { deleteSite(id: 1) { deletedId } }"
    assert documents.operation(text, "A").is_query
    assert not documents.operation(text, "B").is_query
    for name in (None, "C", ""):
        with pytest.raises(BadInput):
            documents.operation(text, name)


def test_what_is_known_is_not_prepared_again_and_the_known_are_bounded(documents: Documents) -> None:
    texts = [f"{{ f{i}: sites {{ totalCount }} }}" for i in range(4)]
    first = [documents.operation(text, None) for text in texts[:3]]
    assert [documents.operation(text, None) for text in texts[:3]] == first
    assert documents.operation(texts[0], None) is first[0]
    documents.operation(texts[3], None)
    assert documents.operation(texts[0], None) is first[0], "used last but one"
    assert documents.operation(texts[1], None) is not first[1], "not used for longest"


def test_introspection_can_be_refused(schema: GraphQLSchema) -> None:
    text = "{ __schema { queryType { name } } }"
    assert Documents(schema, LIMITS, 1).operation(text, None)
    with pytest.raises(Invalid):
        Documents(schema, replace(LIMITS, introspection=False), 1).operation(text, None)


def test_which_variables_decide_the_plan_is_seen_wherever_they_stand(documents: Documents) -> None:
    operation: Operation = documents.operation(
        """query($a: Boolean!, $b: Boolean!, $c: [SiteOrderBy!], $d: OrderDirection, $e: String, $f: String,
                 $g: SiteWhere) {
          sites(orderBy: $c, after: $e, where: $g) @skip(if: $a) { ...F }
        }
        fragment F on SiteConnection {
          nodes { equipment(orderBy: {name: $d}, before: $f) { ... @include(if: $b) { totalCount } } }
        }""",
        None,
    )
    assert operation.deciding == {"a", "b", "c", "d"}
    assert operation.cursors == {"e", "f"}
