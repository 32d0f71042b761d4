"""The examples of docs/programs.md, run as they stand against a served page; the endpoints behind them; MCP."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import av
import httpx
import pytest
from demo_tools import add_words, astronaut, close_event_loops, free_port, served
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from test_provenance import source_type

import app
import hyperstyle
from hyperstyle.cli import main
from hyperstyle.demo import create_demo, launch
from hyperstyle.demo.api import ENDPOINTS
from hyperstyle.demo.mcp_tools import PATH, own_file
from hyperstyle.editing import TextEdit
from hyperstyle.errors import ExtraMissing, UsageError
from hyperstyle.images import open_photo
from hyperstyle.inversion import METHODS
from hyperstyle.latents import Inversion
from hyperstyle.pipeline import HyperStyle, load
from hyperstyle.provenance import SOURCE_TYPES
from hyperstyle.recipes import Recipe

__all__ = ["close_event_loops"]  # a fixture for every test below

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "programs.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"
BLOCKS = {kind: re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S) for kind in ("python", "bash")}


def has_mcp() -> bool:
    try:
        import mcp.client.streamable_http  # noqa: F401
    except ImportError:
        return False
    return True


needs_mcp = pytest.mark.skipif(not has_mcp(), reason="the optional package mcp is not installed")


def example(word: str) -> str:
    """The one Python block of the page that holds a word."""
    (block,) = (block for block in BLOCKS["python"] if word in block)
    return block


@pytest.fixture(scope="module")
def talking(tiny_folder, tmp_path_factory) -> HyperStyle:
    """A tiny pipeline that understands words."""
    return load(add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking"), "cpu")


@pytest.fixture(scope="module")
def page(talking):
    """The address of a served page, with tools where the package for them is installed."""
    with served(talking, mcp=has_mcp()) as (address, demo):
        yield address, demo


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder as the page describes it."""
    astronaut().save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_example(block: str, address: str = ADDRESS) -> None:
    path = Path("example.py")
    path.write_text(block.replace(ADDRESS, address.rstrip("/")), encoding="utf-8")
    runpy.run_path(str(path))


# The page's examples


def test_every_block_is_one_of_the_examples_below():
    assert len(BLOCKS["python"]) == 4
    assert len(BLOCKS["bash"]) == 1


def test_library_example(here, tiny_folder, monkeypatch, capsys):
    monkeypatch.setattr(hyperstyle, "load", lambda _: load(tiny_folder, "cpu"), raising=False)
    run_example(example("render_recipe").replace("portraits", "tiny"))
    assert capsys.readouterr().out == "https://example.org/?recipe=1&domain=tiny&edit=smile&by=1.5&edit=age&by=-1\n"
    assert open_photo(here / "younger.png").size == (32, 32)


def test_command_line_example(here, tiny_folder):
    (here / "photos").mkdir()
    shutil.copy(here / "photo.jpg", here / "photos" / "one.jpg")
    for line in BLOCKS["bash"][0].splitlines():
        program, words = line.split(" -m hyperstyle ")
        assert program == "python"
        assert main([*shlex.split(words), "--domain", str(tiny_folder)]) == 0
    assert Recipe.load("look.hyperstyle.json") == Recipe("tiny", {"smile": 1.5})
    assert source_type(here / "edited" / "one.png") == SOURCE_TYPES["composite"]
    assert (here / "edited.csv").read_text().startswith("file,status,seconds,identity,message\none.jpg,done,")


def test_client_example(here, page, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: shown.append(picture.copy()) or picture.close())
    run_example(example("gradio_client"), page[0])
    assert [picture.size for picture in shown] == [(32, 32)]
    *_, rows, movie = capsys.readouterr().out.splitlines()
    assert "'method'" in rows
    with av.open(movie) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 48
        assert SOURCE_TYPES["generated"] in opened.metadata["comment"]


def test_http_example(here, page):
    run_example(example("import httpx"), page[0])
    assert open_photo(here / "edited.png").size == (512, 512)
    assert source_type(here / "edited.png") == SOURCE_TYPES["composite"]


@needs_mcp
def test_mcp_example(here, page, capsys):
    run_example(example("mcp.client"), page[0])
    assert "['align', 'invert', 'edit', 'compare', 'animate']" in capsys.readouterr().out
    assert open_photo(here / "from_mcp.png").size == (256, 256)


# Endpoints


@pytest.fixture(scope="module")
def client(page) -> Client:
    return Client(page[0], verbose=False)


def test_a_recipe_edits_as_its_values_do(client, here, talking):
    look = Recipe("tiny", {"smile": 2.0, "age": 1.0}, off=frozenset({"age"}), offset_strength=0.5, steps=1)
    photo = handle_file("photo.jpg")
    edited = client.predict(photo=photo, recipe=json.loads(look.to_json()), api_name="/edit")
    plain = client.predict(photo=photo, edits={"smile": 2.0}, offset_strength=0.5, steps=1, api_name="/edit")
    assert open_photo(edited).tobytes() == open_photo(plain).tobytes()
    assert source_type(Path(edited)) == SOURCE_TYPES["composite"]
    held = Recipe("tiny", {"smile": 2.0}, inversion=talking.invert(talking.align(here / "photo.jpg"), 1))
    alone = client.predict(recipe=json.loads(held.to_json()), api_name="/edit")
    assert open_photo(alone).tobytes() == talking.render_recipe(held).tobytes()


def test_a_recipe_with_words_draws_the_same_picture(talking, here):
    words = (TextEdit("a face with a beard", 2.0, 0.0), TextEdit("a smiling face", -1.0))
    inversion = talking.invert(talking.align(here / "photo.jpg"), 1)
    look = Recipe("tiny", {"age": 0.1}, words, text_off=frozenset({1}), inversion=inversion)
    again = Recipe.from_json(look.to_json())
    drawn = talking.render(inversion, {"age": 0.1}, words[:1])
    assert talking.render_recipe(again).tobytes() == drawn.tobytes()
    assert drawn.tobytes() != talking.render(inversion, {"age": 0.1}).tobytes()


def test_a_reconstruction_says_that_it_is_generated(client, here):
    picture, _, inversion = client.predict(photo=handle_file("photo.jpg"), steps=1, api_name="/invert")
    assert source_type(Path(picture)) == SOURCE_TYPES["generated"]
    assert Inversion.load(inversion).steps == 1


def test_animate_in_the_photo(client, here):
    movie = client.predict(
        photo=handle_file("photo.jpg"),
        edit="smile",
        edits={"age": 1.0},
        seconds=0.5,
        fps=8,
        format="webp",
        ping_pong=True,
        steps=1,
        paste_back=True,
        api_name="/animate",
    )
    with Image.open(movie) as opened:
        assert (opened.n_frames, opened.size) == (4, (512, 512))
    assert source_type(Path(movie)) == SOURCE_TYPES["composite"]


def test_compare(client, here, talking):
    rows, pictures = client.predict(
        photo=handle_file("photo.jpg"), methods=["encoder", "hyperstyle", "encoder"], api_name="/compare"
    )
    assert [row["method"] for row in rows] == ["encoder", "hyperstyle"]
    assert [picture["caption"] for picture in pictures] == ["encoder", "hyperstyle"]
    face = talking.align(here / "photo.jpg")
    for row, picture in zip(rows, pictures, strict=True):
        assert set(row) == {"method", "identity", "l2", "seconds"}
        assert row["seconds"] > 0
        drawn = talking.render(talking.invert(face, method=row["method"]))
        assert open_photo(picture["image"]).tobytes() == drawn.tobytes()
        assert source_type(Path(picture["image"])) == SOURCE_TYPES["generated"]
        assert row["l2"] == pytest.approx(
            talking.measure(talking.target(face), talking.draw(talking.invert(face, method=row["method"])))["l2"],
            abs=1e-4,
        )
    quick, _ = client.predict(photo=handle_file("photo.jpg"), api_name="/compare")
    assert [row["method"] for row in quick] == [name for name in talking.methods if not METHODS[name].descends]


@pytest.mark.parametrize(
    ("endpoint", "options", "message"),
    [
        ("/edit", {"recipe": {"format": "other"}}, "not a recipe"),
        ("/edit", {"recipe": json.loads(Recipe("ffhq").to_json())}, "made in the domain 'ffhq', but 'tiny'"),
        ("/edit", {"recipe": json.loads(Recipe("tiny").to_json())}, "Give a photo"),
        ("/edit", {"recipe": json.loads(Recipe("tiny").to_json()), "edits": {"smile": 1}}, "brings its own edits"),
        ("/edit", {"recipe": json.loads(Recipe("tiny", {"smlie": 1.0}).to_json()), "photo": "photo.jpg"}, "'smile'"),
        ("/compare", {"methods": ["teleport"], "photo": "photo.jpg"}, "no inversion method 'teleport'"),
        ("/compare", {"methods": {"encoder": 1}, "photo": "photo.jpg"}, "list of names"),
        ("/compare", {}, "Give a photo"),
        ("/animate", {"edit": "smile"}, "Give a photo"),
        ("/animate", {"photo": "photo.jpg", "edit": "smlie"}, "'smile'"),
        ("/animate", {"photo": "photo.jpg", "edit": "smile", "format": "exe"}, "end the file name in"),
        ("/animate", {"photo": "photo.jpg", "edit": "smile", "seconds": 900}, "up to 60 seconds"),
    ],
)
def test_bad_requests(client, here, endpoint, options, message):
    request = {name: handle_file(value) if name == "photo" else value for name, value in options.items()}
    with pytest.raises(AppError, match=message) as raised:
        client.predict(**request, api_name=endpoint)
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    ("endpoint", "question", "code", "message"),
    [
        ("edit", {"nonsense": 3}, 422, "`/edit` takes no argument `nonsense`; choose from: photo, inversion"),
        ("edit", {"foto": "x"}, 422, "did you mean 'photo'"),
        ("edti", {}, 404, "There is no endpoint '/edti'; did you mean 'edit'"),
        ("edit", {"photo": "https://example.org/a.jpg"}, 200, "`photo` must be an uploaded file"),
        ("edit", {"photo": ["a.jpg"]}, 200, "`photo` must be an uploaded file"),
        ("edit", {"photo": {"url": "https://example.org/a.jpg"}}, 200, "`photo` must be an uploaded file"),
        ("edit", {"photo": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, 200, "could not be read"),
        ("edit", {"photo": {"path": 5, "meta": {"_type": "gradio.FileData"}}}, 200, "could not be read"),
        ("edit", {"inversion": "a.safetensors"}, 200, "`inversion` must be an uploaded file"),
        ("invert", {"steps": "many"}, 200, "`steps` must be a number such as 1.5, not many"),
        ("edit", {"offset_strength": [1]}, 200, "`offset_strength` must be a number"),
        ("animate", {"fps": "1,5", "edit": "smile"}, 200, "`fps` must be a number"),
        ("animate", {"fps": None, "edit": "smile", "photo": True}, 200, "frames per second, not None"),
    ],
)
def test_odd_requests_over_http_are_answered_in_a_sentence(page, here, endpoint, question, code, message):
    with httpx.Client(base_url=page[0], timeout=60) as http:
        if question.get("photo") is True:
            with (here / "photo.jpg").open("rb") as file:
                (path,) = http.post("gradio_api/upload", files={"files": file}).json()
            question = {**question, "photo": {"path": path, "meta": {"_type": "gradio.FileData"}}}
        asked = http.post(f"gradio_api/call/v2/{endpoint}", json=question)
        assert asked.status_code == code
        said = asked.json().get("detail")
        if code == 200:
            said = http.get(f"gradio_api/call/{endpoint}/{asked.json()['event_id']}").text
    assert message in said
    assert "Traceback" not in said


def test_too_few_values_in_a_row_are_counted(page):
    with httpx.Client(base_url=page[0], timeout=60) as http:
        event = http.post("gradio_api/call/align", json={"data": [None]}).json()["event_id"]
        said = http.get(f"gradio_api/call/align/{event}").text
    assert "takes 2 values in this order: photo, face; 1 were given" in said


def test_the_offered_endpoints_are_the_known_ones(client):
    assert {f"/{name}" for name in ENDPOINTS} == set(client.view_api(return_format="dict")["named_endpoints"])


def test_descriptions_name_edits_methods_and_types(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert "smile (-3 to 3), age (-3 to 3)" in endpoints["/edit"]["description"]
    assert "hyperstyle+pti" in endpoints["/compare"]["description"]
    types = {row["parameter_name"]: row["python_type"]["type"] for row in endpoints["/edit"]["parameters"]}
    assert types["edits"].startswith("dict(str, float)")
    assert types["prompts"].startswith("list[dict(prompt: str, strength: float)]")
    for name in set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", PAGE.split("| Argument |")[1].split("\n\n")[0], re.M)):
        assert any(name in {row["parameter_name"] for row in one["parameters"]} for one in endpoints.values()), name


# MCP


@needs_mcp
def test_tools_take_and_give_files(here, page, talking):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    address, demo = page
    photo = "data:image/jpeg;base64," + base64.b64encode((here / "photo.jpg").read_bytes()).decode()

    async def talk() -> list[list[object]]:
        answers = []
        async with streamable_http_client(address + PATH) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            assert [tool.name for tool in tools] == ["align", "invert", "edit", "compare", "animate"]
            for tool in tools:
                assert "photo" in tool.description
                assert all(value["description"] for value in tool.inputSchema["properties"].values())
            rebuilt = await session.call_tool("invert", {"photo": photo, "steps": 1})
            answers.append(rebuilt.content)
            inversion = rebuilt.content[-1].text
            edited = await session.call_tool("edit", {"inversion": inversion, "edits": {"smile": 2.0}})
            answers.append(edited.content)
            compared = await session.call_tool("compare", {"photo": photo, "methods": ["encoder", "hyperstyle"]})
            answers.append(compared.content)
            for wrong in ({"inversion": inversion, "edits": {"smlie": 1}}, {"inversion": inversion + "x"}):
                refused = await session.call_tool("edit", wrong)
                assert refused.isError
                answers.append(refused.content)
        return answers

    rebuilt, edited, compared, unknown, gone = asyncio.run(talk())
    assert [part.type for part in rebuilt] == ["image", "text", "text", "text"]
    assert len(json.loads(rebuilt[2].text)["steps"]) == 1
    face = talking.invert(talking.align(here / "photo.jpg"), 1)
    with Image.open(io.BytesIO(base64.b64decode(edited[0].data))) as picture:
        assert picture.convert("RGB").tobytes() == talking.render(face, {"smile": 2.0}).tobytes()
    assert [row["method"] for row in json.loads(compared[0].text)] == ["encoder", "hyperstyle"]
    assert [part.type for part in compared[1:]] == ["image", "text"] * 2
    assert "did you mean 'smile'" in unknown[0].text
    assert "deleted after ten minutes" in gone[0].text
    # What came as a data URI is deleted together with other uploads.
    assert any(Path(path).read_bytes() == (here / "photo.jpg").read_bytes() for path in demo.upload_file_set)


def test_only_files_of_the_page_are_taken_by_address(page, here):
    address, demo = page
    with pytest.raises(UsageError, match="no such file"):
        own_file(demo, f"{address}gradio_api/file={here / 'photo.jpg'}")
    assert own_file(demo, f"https://example.org/gradio_api/file={here / 'photo.jpg'}") is None
    assert own_file(demo, "https://example.org/photo.jpg") is None
    with (here / "photo.jpg").open("rb") as file:
        (kept,) = httpx.post(f"{address}gradio_api/upload", files={"files": file}).json()
    assert own_file(demo, f"{address}gradio_api/file={kept}") == kept


def test_without_the_package_it_says_what_to_install(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.sse", None)
    with pytest.raises(ExtraMissing, match=r'pip install "mcp<2".*leave out --mcp\.'):
        launch(create_demo(tiny, examples=None), port=7999, mcp=True)


def test_the_program_takes_the_flag(tiny_folder, monkeypatch):
    served_with = []
    monkeypatch.setattr("hyperstyle.demo.serve", lambda demo, host, port, *how: served_with.append(how), raising=False)
    for flags, wanted in (
        ([], (False, None)),
        (["--mcp"], (True, None)),
        (["--root-path", "/faces/"], (False, "/faces")),
    ):
        assert app.main(["--domain", str(tiny_folder), "--port", str(free_port()), *flags]) == 0
        assert served_with.pop() == wanted


def test_below_a_proxy_every_address_has_its_path(talking):
    with served(talking, root_path="/faces") as (address, _):
        assert httpx.get(f"{address}config").json()["root"].endswith("/faces")


def test_a_root_path_that_is_none(capsys):
    assert app.main(["--root-path", "faces"]) == 2
    assert "such as /faces" in capsys.readouterr().err
