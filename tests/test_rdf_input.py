"""Files that are no RDF, or would take memory, time or the stack: refused, with what is wrong."""

import gzip
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from rdf_files import EX, PREFIXES, definitions, imported, reads, records

from fabric.errors import BadInput
from ontology.input.reading import reading

RDF = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://example.org/">'
THING = '<rdf:Description rdf:about="http://example.org/a"><e:p>{}</e:p></rdf:Description></rdf:RDF>'
SAME = {
    "ttl": '<http://example.org/a> <http://example.org/p> "x" .',
    "trig": '<http://example.org/g> { <http://example.org/a> <http://example.org/p> "x" . }',
    "nt": '<http://example.org/a> <http://example.org/p> "x" .\n',
    "nq": '<http://example.org/a> <http://example.org/p> "x" <http://example.org/g> .\n',
    "rdf": RDF + THING.format("x"),
    "owl": RDF + THING.format("x"),
    "jsonld": '{"@id": "http://example.org/a", "http://example.org/p": "x"}',
}
TRIPLE = [("http://example.org/a", "http://example.org/p", "x")]


@pytest.mark.parametrize("ending", SAME)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_plain_and_packed(ending: str, packed: bool) -> None:
    text = SAME[ending].encode()
    with reads(gzip.compress(text) if packed else text, ending + (".gz" if packed else "")) as read:
        found = [(q.subject.value, q.predicate.value, q.object.value) for q in read.graph.quads()]
        assert found == TRIPLE
        assert read.names == ({"http://example.org/g"} if ending in ("trig", "nq") else set())


def refused(text: str | bytes, ending: str = "ttl", **options: object) -> str:
    with pytest.raises(BadInput) as caught, reads(text, ending, **options):
        pass
    assert caught.value.message.startswith(f"file.{ending}: ")
    return caught.value.message.partition(": ")[2]


@pytest.mark.parametrize("ending", SAME)
def test_what_does_not_parse_is_refused(ending: str) -> None:
    assert refused("this is nothing [", ending)
    assert "UTF-8" in refused(b"\xff\xfe\x00", ending) or refused(b"\xff\xfe\x00", ending)
    assert "gzip" in refused(gzip.compress(SAME[ending].encode())[:-12], ending)


def test_a_file_whose_format_its_name_does_not_tell() -> None:
    assert "format" in refused(SAME["ttl"], "data")
    with reads(SAME["ttl"], "data", format="turtle") as read:
        assert len(list(read.graph.quads())) == 1


def test_relative_iris_need_a_base() -> None:
    assert "cannot be read" in refused("<a> <p> 1 .")
    with reads("<a> <p> 1 .", base="http://example.org/") as read:
        (quad,) = read.graph.quads()
        assert quad.subject.value == "http://example.org/a"


def test_more_text_than_there_may_be_packed_or_not() -> None:
    text = "".join(f"<http://example.org/{n}> <http://example.org/p> 1 .\n" for n in range(1000)).encode()
    for given in (text, gzip.compress(text)):
        assert "more than 10,000 bytes" in refused(given, max_bytes=10_000)


def entities(*declared: str) -> str:
    return f'<?xml version="1.0"?><!DOCTYPE rdf:RDF [{"".join(declared)}]>'


def test_entities_that_are_names_are_read_and_others_are_refused() -> None:
    short = entities('<!ENTITY ex "http://example.org/">')
    with reads(short + RDF + THING.format("&ex;x"), "rdf") as read:
        assert [q.object.value for q in read.graph.quads()] == ["http://example.org/x"]
    inner = [f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    laughs = entities('<!ENTITY a "ha">', *inner)
    assert "made of entities" in refused(laughs + RDF + THING.format("&i;"), "rdf")
    assert "longer than a name" in refused(entities(f'<!ENTITY a "{"x" * 5000}">') + RDF + THING.format("&a;"), "rdf")
    for outside in ('<!ENTITY a SYSTEM "file:///etc/hostname">', '<!ENTITY % a SYSTEM "http://127.0.0.1/x"> %a;'):
        assert "another document" in refused(entities(outside) + RDF + THING.format("&a;"), "rdf")
    many = short + RDF + THING.format("&ex;" * 10_000)
    assert "characters of text" in refused(many, "rdf", max_bytes=100_000)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("jsonld", '{"http://example.org/p":' * 10_000 + '"x"' + "}" * 10_000),
        ("jsonld", '{"http://example.org/p":' + "[" * 10_000 + '"x"' + "]" * 10_000 + "}"),
        ("rdf", RDF + "<e:A><e:p>" * 10_000 + "</e:p></e:A>" * 10_000 + "</rdf:RDF>"),
        ("ttl", "<urn:x> <urn:p> " + "<<( <urn:x> <urn:p> " * 100_000 + '"x"' + " )>>" * 100_000 + " ."),
    ],
    ids=["objects", "lists", "elements", "terms"],
)
def test_nesting_beyond_reason_is_refused(ending: str, text: str) -> None:
    assert "deeper" in refused(text, ending) or "triple terms" in refused(text, ending)


@pytest.mark.parametrize(
    "around", ["<!-- {} -->", '<rdf:Description rdf:about="urn:x" e:p="{}"/>', "<e:A><e:p>{}</e:p></e:A>"],
    ids=["comment", "attribute", "text"],
)  # fmt: skip
def test_xml_in_pieces_that_are_too_long_is_refused_before_they_are_held(around: str) -> None:
    long = RDF + around.format("x" * (6 << 20)) + "</rdf:RDF>"
    assert "more than 4,194,304 bytes" in refused(gzip.compress(long.encode(), 1), "rdf")


def test_a_term_that_the_parser_cannot_hold_is_refused() -> None:
    assert "too long" in refused(gzip.compress(b'<urn:x> <urn:p> "' + b"x" * (20 << 20) + b'" .', 1))


@pytest.mark.parametrize(
    "said", ['"{}"', '{{"@id": "{}"}}', '{{"@id": "urn:x", "@type": "{}:x"}}', '{{"@reverse": "{}"}}']
)
@pytest.mark.parametrize("context", ['"@context"', '"\\u0040context"'], ids=["plain", "escaped"])
def test_terms_of_a_context_that_lead_too_far_are_refused(context: str, said: str) -> None:
    def text(number: int) -> str:
        terms = ", ".join(f'"p{n}": {said.format(f"p{n + 1}")}' for n in range(number))
        return f'{{"a": 1, {context}: [{{{terms}, "p{number}": "urn:p"}}], "@id": "urn:a"}}'

    assert "each said by the next" in refused(text(20_000), "jsonld")
    with reads(text(400), "jsonld"):
        pass


def test_terms_of_a_context_that_lead_in_a_circle_are_refused() -> None:
    terms = ", ".join(f'"p{n}": "p{(n + 1) % 20_000}"' for n in range(20_000))
    assert "each said by the next" in refused(f'{{"@context": {{{terms}}}, "@id": "urn:a"}}', "jsonld")


def test_many_contexts_beside_one_of_many_terms_are_refused() -> None:
    terms = ", ".join(f'"p{n}": "urn:p{n}"' for n in range(8_000))
    nodes = ", ".join(f'{{"@context": {{"q": "urn:q"}}, "@id": "urn:{n}", "q": 1}}' for n in range(8_000))
    assert "too many contexts" in refused(f'{{"@context": {{{terms}}}, "@id": "urn:a", "p0": [{nodes}]}}', "jsonld")
    for text in (f'{{"@context": {{{terms}}}, "@id": "urn:a", "p0": 1}}', f"[{nodes}]"):
        with reads(text, "jsonld") as read:
            assert len(read.graph.store)


@pytest.mark.parametrize("around", ["{}", '<e:A><e:p><e:A xmlns:a="urn:a" {}/></e:p></e:A>'])
def test_a_tag_of_very_many_attributes_is_refused(around: str) -> None:
    names = " ".join(f'xmlns:x{n}="urn:x{n}"' for n in range(20_000))
    tag = around.format(names) if "<" in around else f"<e:A {names}/>"
    assert "more than 1,000 attributes" in refused(RDF + tag + "</rdf:RDF>", "rdf")


def test_namespaces_that_are_declared_tag_within_tag_count_together() -> None:
    tags = [" ".join(f'xmlns:x{n}_{m}="urn:x"' for m in range(100)) for n in range(20)]
    text = "".join(f"<e:A {tag}><e:p>" for tag in tags) + "</e:p></e:A>" * 20
    assert "namespaces around it" in refused(RDF + text + "</rdf:RDF>", "rdf")
    with reads(RDF + f"<e:A {tags[0]}/>" * 100 + "</rdf:RDF>", "rdf") as read:
        assert len(read.graph.store) == 100


def test_strings_do_not_count_as_nesting() -> None:
    with reads('{"@id": "http://example.org/a", "http://example.org/p": "' + '[{\\"' * 2000 + '"}', "jsonld") as read:
        assert len(list(read.graph.quads())) == 1


def test_nodes_within_nodes_at_any_depth_are_read() -> None:
    text = "ex:a a ex:A ; ex:p " + "[ a ex:A ; ex:p " * 2_000 + "ex:a" + " ]" * 2_000 + " ."
    objects, links, problems = records(text)
    assert (len(objects), len(links), problems) == (2_001, 2_001, set())


def test_triple_terms_are_refused() -> None:
    assert "triple terms" in refused("<urn:a> <urn:p> <<( <urn:a> <urn:p> <urn:b> )>> .")


def test_nothing_is_fetched() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        here = f"http://127.0.0.1:{server.server_port}"
        message = refused(f'{{"@context": "{here}/context", "@id": "urn:a", "name": "x"}}', "jsonld")
        assert "is not fetched" in message
        with imported(f"<urn:o> a owl:Ontology ; owl:imports <{here}/imported> . ex:a a ex:A .") as source:
            assert f"{here}/imported" in {notice.iri for notice in source.notices}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def test_classes_too_deep_below_one_another_are_refused() -> None:
    chain = "".join(f"ex:C{n + 1} a owl:Class ; rdfs:subClassOf ex:C{n} . " for n in range(10_000))
    with pytest.raises(BadInput, match="more than 64 classes below one another"):
        definitions(chain)


def test_a_long_circle_of_classes_is_broken_like_a_short_one() -> None:
    ring = "".join(f"ex:C{(n + 1) % 50:02} a owl:Class ; rdfs:subClassOf ex:C{n:02} . " for n in range(50))
    assert len(definitions(ring)) == 51


@pytest.mark.parametrize("unions", ["_:u owl:unionOf (_:u ex:A) .", ""])
def test_unions_within_unions_are_read_however_deep_they_are(unions: str) -> None:
    if not unions:
        unions = "_:u owl:unionOf (_:u0) . " + "".join(f"_:u{n} owl:unionOf (_:u{n + 1}) . " for n in range(2_000))
        unions += "_:u2000 owl:unionOf (ex:A) ."
    said = "ex:A a owl:Class . ex:p a owl:DatatypeProperty ; rdfs:domain _:u ; rdfs:range xsd:date ."
    assert "p" in definitions(f"{said} {unions}")["A"]["fields"]


def test_values_of_json_too_deep_for_an_import_are_problems_of_their_objects() -> None:
    deep = "[" * 900 + "]" * 900
    text = f"""ex:a a ex:A ; ex:p "x" ; fabric:order '{{"p": {deep}}}' . ex:b a ex:A ; ex:j '{deep}'^^rdf:JSON ."""
    objects, _, problems = records(text)
    assert [each["key"]["iri"] for each in objects] == [EX + "b"]
    assert problems == {f"{where}expected JSON of at most 100 levels" for where in ("a: ", "b: j: ")}


def test_lists_without_an_end_are_problems_of_their_objects() -> None:
    text = "ex:a a ex:A ; ex:p 1 . ex:b a ex:A ; ex:p _:l . _:l rdf:first 1 ; rdf:rest _:l ."
    declared = "ex:A a owl:Class . ex:p a owl:DatatypeProperty ; rdfs:domain ex:A ; rdfs:range xsd:integer . "
    for known in (declared, ""):
        objects, _, problems = records(known + text)
        assert [o["data"] for o in objects] == [{"p": [1]}]
        assert problems == {"b: a list has no end, or more than 100,000 members"}


@pytest.mark.parametrize(
    "text", ["ex:A fabric:definition 'no json' .", "ex:A fabric:definition '[]' .", "[] fabric:definition '{}' ."]
)
def test_definitions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="fabric:definition"):
        definitions(text)


def test_a_dense_web_of_nodes_without_iris_takes_time_by_its_size() -> None:
    """Each way through it would be one of 60¹⁶."""
    nodes = [f"_:n{n}" for n in range(60)]
    text = "".join(f"{a} a ex:A ; ex:p {', '.join(nodes)} . " for a in nodes)
    objects, _, _ = records(text)
    assert len({o["key"]["iri"] for o in objects}) == 1, "nothing tells them apart"


def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.ttl").mkdir()
    with pytest.raises(BadInput, match="regular file"), reading([tmp_path / "x.ttl"]):
        pass


def test_prefixes_of_files_name_what_clashes() -> None:
    with reads(PREFIXES + "ex:a a ex:A .") as read:
        assert read.prefixes["http://example.org/"] == "ex"
