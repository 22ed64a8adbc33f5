"""Every address answers as it should, to whom it should, and lets no text become more."""

from __future__ import annotations

import hashlib
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import HOSTILE, hostile
from world import fill, hostile_comparison, hostile_rows
from yarl import URL

from llmopt.store import open_store
from llmopt.web.pages import site_pages as pages
from llmopt.web.pages.run_rows import ListQuery
from llmopt.web.server.access import HEADERS, Door
from llmopt.web.server.page_cache import Shelf
from llmopt.web.server.routes import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from aiohttp import ClientResponse

    Client = TestClient[Any, Any]

ALL = ("first", "first-control", "second", "second-control", "line")
EVERY = ("/", "/run/first", "/run/line", "/run/first/record.json", "/compare?run=first&run=second")


class Parsed(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three runs."""
    path = tmp_path_factory.mktemp("view") / "runs.sqlite"
    fill(path)
    return path


@pytest.fixture
def shelf(store: Path) -> Iterator[Shelf]:
    with closing(open_store(store)) as kept:
        yield Shelf(kept)


def client_of(shelf: Shelf, door: Door | None = None) -> Client:
    return TestClient(TestServer(Site(shelf).app(door)))


@pytest.fixture
async def client(shelf: Shelf) -> AsyncIterator[Client]:
    async with client_of(shelf) as made:
        yield made


async def text_of(client: Client, path: str, status: int = 200, **more: Any) -> str:
    async with client.get(path, **more) as answer:
        assert answer.status == status
        return await answer.text()


@pytest.mark.parametrize("path", EVERY)
async def test_every_answer_is_sealed(client: Client, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 200
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert answer.cookies == {}
    async with client.head(path) as answer:
        assert answer.status == 200
        assert await answer.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/run/first", "/events", "/nothing"])
async def test_nothing_but_reading_is_answered(client: Client, method: str, path: str) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_reading_changes_nothing(client: Client, store: Path) -> None:
    with closing(open_store(store)) as kept:
        before = [(info, list(kept.records(info.name))) for info in kept.runs()]
        for path in (*EVERY, "/run/nothing", "/compare"):
            async with client.get(path):
                pass
        assert [(info, list(kept.records(info.name))) for info in kept.runs()] == before


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8700", "[::1]:8700", "LocalHost:1"])
async def test_the_names_of_this_machine_are_served(client: Client, host: str) -> None:
    await text_of(client, "/", headers={"Host": host})


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "8.8.8.8", ""]
)
@pytest.mark.parametrize("path", ["/", "/run/first/record.json", "/events", "/nothing"])
async def test_another_name_that_leads_here_is_not_served(
    client: Client, host: str, path: str
) -> None:
    said = await text_of(client, path, 421, headers={"Host": host})
    assert "/run/first" not in said


def test_a_server_knows_its_names_and_asks_for_a_token() -> None:
    here, everywhere = Door.at("127.0.0.1", 1), Door.at("0.0.0.0", 1)
    assert here.token
    assert Door.at("localhost", 1).token not in (None, here.token)
    assert everywhere.token
    assert len(everywhere.token) >= 32
    assert Door.at("::", 1).token != everywhere.token
    assert everywhere.knows("192.168.1.7:8700")
    assert everywhere.knows("[fe80::1]:8700")
    assert not everywhere.knows("evil.example")
    named = Door.at("Box.lan", 1)
    assert named.knows("box.LAN:8700")
    assert not named.knows("192.168.1.7")


async def test_a_token_lets_in_and_leaves_the_address(shelf: Shelf) -> None:
    door = Door(token="right-token", cookie="kept")
    async with client_of(shelf, door) as client:
        for path in EVERY:
            assert "/run/first" not in await text_of(client, path, 401)
        for wrong in ("wrong", "", "right-toke", "right-token2", "\N{SNOWMAN}"):
            await text_of(client, "/", 401, params={"token": wrong})
            await text_of(client, "/", 401, headers={"Cookie": f"kept={wrong!a}"})
        async with client.get("/compare?run=first&token=right-token&run=second") as answer:
            assert answer.status == 200
            assert [(led.status, led.headers["Location"]) for led in answer.history] == [
                (303, "/compare?run=first&run=second")
            ]
            cookie = answer.history[0].headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert "right-token" not in await answer.text()
        await text_of(client, "/run/first")


async def test_a_token_leads_to_no_other_site(shelf: Shelf) -> None:
    async with client_of(shelf, Door(token="right", cookie="kept")) as client:
        path = URL("http://127.0.0.1//evil.example/?token=right", encoded=True)
        address = client.make_url("/").with_path(path.path).with_query(path.query)
        async with client.session.get(address, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/evil.example/"


async def test_an_unknown_run_is_answered_with_the_nearest(client: Client) -> None:
    said = await text_of(client, "/run/frist", 404)
    assert "There is no run frist" in said
    assert '<a href="/run/first">first</a>' in said
    for path in ("/run/frist/record.json", "/compare?run=first&run=frist", "/events?run=frist"):
        assert 'href="/run/first"' in await text_of(client, path, 404)
    assert "Nothing here" in await text_of(client, "/elsewhere", 404)


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "\ud800", "\u202e", "a\x00b", "%"]
)
async def test_a_hostile_name_is_only_text(client: Client, name: str) -> None:
    from urllib.parse import quote

    said = await text_of(client, f"/run/{quote(name, errors='surrogatepass')}", 404)
    assert "img" not in Parsed(said).tags
    assert "\u202e" not in said


async def test_runs_that_cannot_be_compared_say_why(client: Client) -> None:
    assert "two or more" in await text_of(client, "/compare", 400)
    assert "two or more" in await text_of(client, "/compare?run=first&run=first", 400)
    assert "agree on" in await text_of(client, "/compare?run=first&run=line", 400)


async def test_the_page_beside_a_sweep_is_found(client: Client) -> None:
    """A sweep's page leads to the files that its cells' pages are by default."""
    async with client.get("/run/first.html", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/run/first")


async def test_the_document_is_that_of_the_report(client: Client) -> None:
    async with client.get("/run/first/record.json") as answer:
        found = await answer.json()
    assert (found["schema"], found["kind"], found["run"]) == (1, "run", "first")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", set(ALL)),
        ("?find=SHOWED", {"first"}),
        ("?status=running", set()),
        ("?status=no-such", set(ALL)),
        ("?algorithm=cma-es", {"line"}),
        ("?tag=shown&status=done", {"first"}),
        ("?find=<script>", set()),
    ],
)
async def test_the_list_has_what_is_asked_for(client: Client, query: str, names: set[str]) -> None:
    said = await text_of(client, f"/{query}")
    for name in ALL:
        assert (f'data-key="{name}"' in said) == (name in names)


async def test_the_list_can_be_in_any_order(client: Client) -> None:
    said = await text_of(client, "/?order=name")
    places = [said.index(f'data-key="{name}"') for name in ("first", "line", "second")]
    assert places == sorted(places)
    said = await text_of(client, "/?order=calls")
    assert said.index('data-key="first"') < said.index('data-key="line"')
    old, new = await text_of(client, "/?order=old"), await text_of(client, "/?order=new")
    assert old.index('data-key="first"') < old.index('data-key="line"')
    assert new.index('data-key="first"') > new.index('data-key="line"')


async def test_a_row_says_what_a_run_has_found_and_spent(client: Client) -> None:
    said = await text_of(client, "/?find=showed")
    assert "held out" in said
    assert "What we &lt;b&gt;showed&lt;/b&gt;." in said
    assert any(word in said for word in ("better", "not distinguishable", "worse", "no gain"))
    assert " calls" in said
    assert "1 of 5 runs" in said
    assert '<td class="number" data-name="start → best">1,' in await text_of(client, "/?find=line")


def test_what_is_asked_without_a_meaning_has_no_effect() -> None:
    assert ListQuery.of({"status": "?", "order": "?", "most": "-5", "find": "  "}) == ListQuery()
    assert ListQuery.of({"most": "9" * 5000}) == ListQuery()
    assert ListQuery.of({"most": "120"}).most == 120


def every_page(said: str) -> tuple[Parsed, ...]:
    """Return a page of every kind with a text in every place that a text can come to."""
    return (
        Parsed(pages.listing(hostile_rows(said), ListQuery.of({"find": said, "tag": said}))),
        Parsed(pages.comparison(hostile_comparison(said))),
        Parsed(pages.message("No", (said,), said)),
        Parsed(pages.run_page(hostile(said), None)),
    )


@pytest.fixture(scope="module")
def plain_pages() -> tuple[Parsed, ...]:
    return every_page("plain")


@settings(max_examples=30)
@given(text=st.text(max_size=200))
def test_no_text_becomes_more_than_text(text: str, plain_pages: tuple[Parsed, ...]) -> None:
    for found, usual in zip(every_page(text), plain_pages, strict=True):
        marks = ("span", "br", "small")  # what is spelled out, and what an empty text leaves out
        assert set(found.tags) <= {*usual.tags, *marks}
        assert found.names <= {*usual.names, "class"}


def test_hostile_texts_are_escaped_everywhere() -> None:
    for made in (
        pages.listing(hostile_rows(HOSTILE), ListQuery.of({"find": HOSTILE, "algorithm": HOSTILE})),
        pages.comparison(hostile_comparison(HOSTILE)),
        pages.message("No", (HOSTILE,), HOSTILE),
        pages.run_page(hostile(), None),
    ):
        parsed = Parsed(made)
        assert not {"img", "iframe", "object", "embed", "svg:script"} & set(parsed.tags)
        assert not [name for name in parsed.names if name.startswith("on")]
        assert "\x1b" not in made
        assert "\u202e" not in made
        assert not any(0xD800 <= ord(letter) < 0xE000 for letter in made)


async def test_the_policy_allows_what_is_on_the_page_and_nothing_else(client: Client) -> None:
    import base64
    import re

    def allowed(answer: ClientResponse, of: str) -> str:
        found = re.search(rf"{of}-src '(sha256-[^']+)'", answer.headers["Content-Security-Policy"])
        assert found
        return found[1]

    for path in ("/", "/run/first", "/run/line", "/compare?run=first&run=second"):
        async with client.get(path) as answer:
            said = await answer.text()
            for of in ("style", "script"):
                blocks = re.findall(rf"<{of}>(.*?)</{of}>", said, re.DOTALL)
                assert len(blocks) == 1
                digest = base64.b64encode(hashlib.sha256(blocks[0].encode()).digest()).decode()
                assert allowed(answer, of) == f"sha256-{digest}"
            assert f'content="{pages.policy_of(said)}"' in said
