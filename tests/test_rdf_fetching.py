"""What imports of RDF fetch: only what they are allowed to, from where they may, and no more than there is room for."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
import trustme
from pyoxigraph import NamedNode
from rdf_files import PREFIXES, notices, reads

import ontology.input.remote
from fabric.errors import BadInput
from fabric.labels import Lattice
from fabric.outbound import fetching
from fabric.outbound.addresses import Networks
from fabric.outbound.fetching import Fetcher
from fabric.types.merging import EMPTY
from ontology.input.reading import Read
from ontology.input.remote import Remote
from ontology.source import RdfSource

EX = "http://example.org/"
TURTLE = {"Content-Type": "text/turtle; charset=utf-8"}
JSON_LD = {"Content-Type": "application/ld+json"}
CONTEXT = json.dumps({"@context": {"@base": "http://wrong.org/", "name": f"{EX}name"}})

Answers = dict[str, tuple[int, dict[str, str], str]]


class Server:
    """Over TLS on this machine, with what a test lets it answer; `asked` are the paths, in order."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.url, self.port, self.ca_file = f"https://localhost:{port}", port, ca_file
        self.answers: Answers = {}
        self.asked: list[str] = []

    def remote(self, **options: Any) -> Remote:
        return Remote(Fetcher(Networks.parse(["127.0.0.0/8", "::1/128"]), ca_file=self.ca_file, **options))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            status, headers, body = server.answers.get(self.path, (404, {}, "secret words of the server"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who asks may hang up."""

    authority, context = trustme.CA(), SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    httpd = Quiet(("127.0.0.1", 0), Handler)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    server = Server(httpd.server_address[1], ca_file)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    httpd.shutdown()
    httpd.server_close()
    thread.join(10)


@pytest.fixture
def server(running: Server) -> Server:
    running.answers, running.asked = {}, []
    return running


def imports(*iris: str) -> str:
    return PREFIXES + "ex: a owl:Ontology . ex:A a owl:Class . " + "".join(
        f"ex: owl:imports <{iri}> . " for iri in iris
    )  # fmt: skip


def classes(read: Read) -> set[str]:
    source = RdfSource(read, EMPTY, Lattice(()))
    assert not [n for n in source.notices if "imported" in n.message]
    return set(source.catalogue.types) - {"Resource"}


def refused(text: str, remote: Remote | None, ending: str = "ttl") -> str:
    with pytest.raises(BadInput) as caught, reads(text, ending, remote=remote):
        pass
    return caught.value.message


class TestImports:
    def test_ontologies_are_fetched_with_those_that_they_import_each_once(self, server: Server) -> None:
        one, two = f"{server.url}/one", f"{server.url}/two.owl#"
        server.answers = {
            "/one": (200, TURTLE, imports(two, one) + "<#B> a owl:Class ."),
            "/two.owl": (301, {"Location": "/moved"}, ""),
            "/moved": (200, {"Content-Type": "application/rdf+xml"},
                f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
                xmlns:owl="http://www.w3.org/2002/07/owl#"><owl:Class rdf:about="#C"/>
                <owl:Ontology rdf:about=""><owl:imports rdf:resource="{one}"/></owl:Ontology></rdf:RDF>"""),
        }  # fmt: skip
        with reads(imports(one), remote=server.remote()) as read:
            assert classes(read) == {"A", "B", "C"}
            assert any(read.graph.quads(NamedNode(f"{one}#B")))
            assert any(read.graph.quads(NamedNode(f"{two}C"))), "named as it was asked for"
        assert server.asked == ["/one", "/two.owl", "/moved"]

    def test_what_is_given_as_a_file_is_not_fetched(self, server: Server) -> None:
        given = f"<{server.url}/o> a owl:Ontology . ex:p owl:versionIRI <{server.url}/v> ."
        with reads(imports(f"{server.url}/o", f"{server.url}/v") + given, remote=server.remote()) as read:
            assert classes(read) == {"A"}
        assert server.asked == []

    def test_without_permission_nothing_is_fetched_and_the_notice_names_what(self, server: Server) -> None:
        iri = f"{server.url}/one"
        with reads(imports(iri)) as read:
            told = [n for n in RdfSource(read, EMPTY, Lattice(())).notices if n.iri == iri]
        assert [n.message for n in told] == ["is imported, and was not fetched; give it as another file"]
        assert server.asked == []
        assert notices("ex:A a owl:Class . ex: a owl:Ontology ; owl:imports ex:B . ex:B a owl:Ontology .") == set()

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ((404, {}, "secret words of the server"), "cannot be fetched: HTTP_404"),
            ((200, {"Content-Type": "text/html"}, "<html>"), "neither its media type nor its address"),
            ((200, TURTLE, "no turtle"), "cannot be read as Turtle"),
            ((200, TURTLE, "# " + "x" * 3_000), "more than 2,000 bytes"),
            ((302, {"Location": "/one"}, ""), "more than 5 redirects"),
            ((302, {"Location": "http://localhost/"}, ""), "only https addresses are asked"),
            ((302, {"Location": "file:///etc/passwd"}, ""), "must begin with https"),
            ((302, {"Location": "https://10.0.0.1/"}, ""), "not an address that may be reached"),
            ((302, {"Location": "https://169.254.169.254/"}, ""), "not an address that may be reached"),
            ((302, {"Location": "https://[fe80::"}, ""), "leads to what is no URL"),
        ],
    )
    def test_what_cannot_be_had_is_refused_by_its_iri(
        self, server: Server, answer: tuple[int, dict[str, str], str], reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching.Fetcher.fetch, "__defaults__", (2_000,))
        server.answers["/one"] = answer
        message = refused(imports(f"{server.url}/one"), server.remote())
        assert message.startswith(f"{server.url}/one: ")
        assert reason in message
        assert "secret" not in message

    @pytest.mark.parametrize("iri", ["https://127.0.0.1:{}/", "https://localhost:{}/", "http://localhost:{}/one"])
    def test_addresses_that_are_not_public_are_not_reached(self, server: Server, iri: str) -> None:
        message = refused(imports(iri.format(server.port)), Remote(Fetcher(ca_file=server.ca_file)))
        assert "ADDRESS" in message or "not an address that may be reached" in message
        assert server.asked == []

    def test_a_certificate_of_an_unknown_authority_is_refused(self, server: Server) -> None:
        remote = Remote(Fetcher(Networks.parse(["127.0.0.0/8"])))
        assert refused(imports(f"{server.url}/one"), remote).endswith("cannot be fetched: TLS")

    def test_a_slow_server_is_not_waited_for(self) -> None:
        with silent() as port:
            started = time.monotonic()
            remote = Remote(Fetcher(Networks.parse(["127.0.0.0/8"]), seconds=0.2))
            assert refused(imports(f"https://127.0.0.1:{port}/"), remote).endswith("cannot be fetched: TIMEOUT")
            assert time.monotonic() - started < 5

    def test_documents_and_their_bytes_are_bounded(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for i in range(5):
            server.answers[f"/{i}"] = 200, TURTLE, imports(f"{server.url}/{i + 1}")
        monkeypatch.setattr(ontology.input.remote, "MAX_DOCUMENTS", 3)
        assert "/3: is one of more than 3 documents" in refused(imports(f"{server.url}/0"), server.remote())
        assert server.asked == ["/0", "/1", "/2"]
        two = 2 * len(imports(f"{server.url}/0"))
        monkeypatch.setattr(ontology.input.remote, "MAX_TOTAL", two)
        message = refused(imports(f"{server.url}/0"), server.remote())
        assert f"/2: more than {two:,} bytes would be fetched" in message


@contextmanager
def silent() -> Iterator[int]:
    """A port at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def names(text: Any, remote: Remote) -> set[str]:
    with reads(json.dumps(text), "jsonld", remote=remote) as read:
        return {q.object.value for q in read.graph.quads(None, NamedNode(f"{EX}name"))}


class TestContexts:
    def test_what_is_nested_deeply_is_read_or_refused(self, server: Server) -> None:
        server.answers["/context"] = 200, JSON_LD, CONTEXT
        node: Any = {"@context": f"{server.url}/context", "name": "x"}
        for _ in range(100):
            node = {f"{EX}p": node}
        assert names(node, server.remote()) == {"x"}
        for _ in range(398):
            node = {f"{EX}p": node}
        with suppress(BadInput):  # as deep as Python's stack is there
            assert names(node, server.remote()) == {"x"}

    def test_one_at_another_address_is_fetched_once_and_reads_as_if_it_stood_there(self, server: Server) -> None:
        url = f"{server.url}/context"
        server.answers["/context"] = 200, JSON_LD, CONTEXT
        text = [
            {"@context": url, "@id": f"{EX}a", "name": "one"},
            {"@context": [url, {"called": f"{EX}name"}], "@id": f"{EX}b", "called": "two"},
            {"@id": f"{EX}c", f"{EX}name": {"@context": "", "@value": "three"}},
        ]
        assert names(text[:2], server.remote()) == {"one", "two"}
        assert server.asked == ["/context"]
        assert "LoadDocumentCallback" not in refused(json.dumps(text), None, "jsonld")
        assert "is not fetched" in refused(json.dumps(text), None, "jsonld")

    def test_contexts_name_others_and_servers_an_alternate(self, server: Server) -> None:
        link = '</style.css>; rel="stylesheet", </real>; rel="alternate"; type="application/ld+json"'
        server.answers = {
            "/": (200, {"Content-Type": "text/html", "Link": link}, "<html>"),
            "/real": (200, JSON_LD, json.dumps({"@context": ["more", {"@language": "en"}]})),
            "/more": (200, {"Content-Type": "application/json"}, CONTEXT),
        }
        assert names({"@context": f"{server.url}/", "@id": f"{EX}a", "name": "one"}, server.remote()) == {"one"}
        assert server.asked == ["/", "/real", "/more"]

    def test_what_it_says_of_the_documents_own_address_is_not_taken(self, server: Server) -> None:
        server.answers["/context"] = 200, JSON_LD, CONTEXT
        text = json.dumps({"@context": f"{server.url}/context", "@id": "a", "name": "one"})
        with reads(text, "jsonld", base=EX, remote=server.remote()) as read:
            assert [q.subject for q in read.graph.quads()] == [NamedNode(f"{EX}a")]

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ("{}", "is no context of JSON-LD"),
            ("[1", "is no context of JSON-LD"),
            ("[" * 600 + "]" * 600, "is no context of JSON-LD"),
            ('{"@context": "/context"}', "leads to itself"),
            ('{"@context": {"x": {"@id": "http://example.org/x", "@context": ["/context"]}}}', "leads to itself"),
            ('{"@context": "http://localhost/"}', "cannot be fetched"),
        ],
    )
    def test_what_is_no_context_is_refused_by_its_iri(self, server: Server, answer: str, reason: str) -> None:
        server.answers["/context"] = 200, JSON_LD, answer
        message = refused(json.dumps({"@context": f"{server.url}/context"}), server.remote(), "jsonld")
        assert reason in message
        assert "https://localhost" in message

    def test_contexts_that_multiply_are_refused_before_they_fill_memory(self, server: Server) -> None:
        for i in range(8):
            server.answers[f"/{i}"] = 200, JSON_LD, json.dumps({"@context": [f"/{i + 1}"] * 100})
        server.answers["/8"] = 200, JSON_LD, CONTEXT
        message = refused(json.dumps({"@context": f"{server.url}/0"}), server.remote(), "jsonld")
        assert "bytes of contexts" in message

    def test_a_document_too_large_to_be_looked_through_is_left_as_it_is(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ontology.input.remote, "MAX_INLINED", 10)
        text = json.dumps({"@context": f"{server.url}/context"})
        assert "is not fetched" in refused(text, server.remote(), "jsonld")
        assert server.asked == []
