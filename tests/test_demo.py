"""The page without a browser: handlers, sessions, wiring, `app.py`, and the endpoints over `gradio_client`."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
from demo_tools import add_words, astronaut, close_event_loops, free_port, noise_photo, served, two_people
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageChops

from hyperstyle.demo import create_demo, launch, ports, texts
from hyperstyle.demo.german import GERMAN
from hyperstyle.demo.handlers import Change, Handlers
from hyperstyle.demo.languages import LANGUAGES
from hyperstyle.demo.layout import DRAWN_EXAMPLES
from hyperstyle.demo.pictures import shrink, to_data_uri
from hyperstyle.demo.sessions import SessionStore
from hyperstyle.demo.state import Controls, read_controls
from hyperstyle.demo.widgets import picker_value, viewer_value
from hyperstyle.errors import PortTaken, UsageError
from hyperstyle.latents import Inversion
from hyperstyle.look import TextEdit
from hyperstyle.pipeline import HyperStyle, load

__all__ = ["close_event_loops"]  # a fixture for every test below

ROOT = Path(__file__).resolve().parents[1]
REST = Controls({})


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "one.png"
    astronaut().save(path)
    return path


@pytest.fixture(scope="module")
def group(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "two.jpg"
    two_people().save(path, quality=95)
    return path


@pytest.fixture(scope="module")
def talking(tiny_folder, tmp_path_factory) -> HyperStyle:
    """A tiny pipeline that understands words."""
    return load(add_words(tiny_folder, tmp_path_factory.mktemp("domains") / "talking"), "cpu")


@pytest.fixture
def handlers(talking) -> Handlers:
    return Handlers(talking, SessionStore())


def opened(handlers: Handlers, key: str, photo: Path, steps: int = 2) -> list[Change]:
    changes = list(handlers.open_photo(key, photo, steps))
    assert changes[-1].ready, changes[-1].status
    return changes


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).convert("RGB")


def problem(change: Change) -> str:
    """The sentence a change shows as a problem, checked for form."""
    assert change.status is not None
    assert change.status.kind == "problem"
    text = change.status.text
    assert text[-1] in ".?"
    assert "Traceback" not in text
    assert "\n" not in text
    return text


# Opening a photo


def test_a_photo_is_found_rebuilt_and_shown_stage_by_stage(handlers, photo):
    changes = opened(handlers, "a", photo)
    assert [change.serial for change in changes] == sorted({change.serial for change in changes})
    assert changes[0].status.text == texts.LOOKING
    films = [change.frames for change in changes if change.frames is not None]
    assert [len(film) for film in films] == [1, 2, 3, 4, 4]
    assert [frame.label for frame in films[-1]] == ["Photo", "Encoder", "Step 1", "Step 2"]
    assert all(caption.startswith(("identity ", "L2 ")) for frame in films[-1][1:] for caption in frame.captions)
    view = next(change.photo for change in changes if change.photo is not None)
    assert len(view.faces) == 1
    box = view.faces[0]  # the astronaut's face is in the upper middle
    assert 0.3 < box.left < box.left + box.width < 0.6
    assert 0.0 < box.top < box.top + box.height < 0.45
    last = changes[-1]
    assert last.controls == Controls(steps=2)
    assert last.status.kind == "done"
    shown = decoded(last.picture)  # without edits the photo itself, in its own size
    assert shown.size == (handlers.store.get("a").rebuilt.face.own_side(32),) * 2


def test_the_smaller_face_can_be_chosen(handlers, group):
    first = opened(handlers, "a", group)
    view = next(change.photo for change in first if change.photo is not None)
    assert len(view.faces) == 2
    assert view.chosen == 0
    assert view.faces[0].height > view.faces[1].height
    second = list(handlers.choose_face("a", 1, 2))
    assert next(change.photo for change in second if change.photo is not None).chosen == 1
    assert second[-1].picture != first[-1].picture
    assert handlers.store.get("a").rebuilt.face.index == 1


@pytest.mark.parametrize("index", [-1, 2, 10**9])
def test_a_face_that_is_not_there_changes_nothing(handlers, group, index):
    opened(handlers, "a", group)
    before = handlers.store.get("a").rebuilt
    (change,) = handlers.choose_face("a", index, 2)
    assert problem(change)
    assert handlers.store.get("a").rebuilt is before


def test_other_steps_rebuild_and_keep_the_edits(handlers, photo):
    opened(handlers, "a", photo)
    controls = Controls({"smile": 2.0}, steps=1)
    *_, last = handlers.change_steps("a", controls)
    assert [frame.label for frame in last.frames] == ["Photo", "Encoder", "Step 1"]
    assert last.controls is None
    assert last.picture == handlers.live("a", controls).picture


def test_steps_before_a_photo_say_nothing(handlers):
    assert list(handlers.change_steps("a", REST)) == []


def test_cleared_upload_does_nothing(handlers):
    assert list(handlers.open_photo("a", None, 2)) == []
    handlers.take("a", None)
    assert list(handlers.open_taken("a", 2)) == []


def test_an_upload_is_removed_once_it_was_read(handlers, photo, tmp_path):
    uploads = [tmp_path / "first.png", tmp_path / "second.png", tmp_path / "third.png"]
    for path in uploads:
        path.write_bytes(photo.read_bytes())
    uploads[2].write_bytes(b"not a picture")
    handlers.take("a", uploads[0])
    handlers.take("a", uploads[1])  # before the first was opened
    assert not uploads[0].exists()
    assert list(handlers.open_taken("a", 2))[-1].ready
    assert not uploads[1].exists()
    assert list(handlers.open_taken("a", 2)) == []
    handlers.take("a", uploads[2])
    assert problem(list(handlers.open_taken("a", 2))[-1])
    assert not uploads[2].exists()
    assert handlers.store.get("a").photo == photo.read_bytes()


BAD_PHOTOS = {
    "text": b"Dear photo, please be a face.\n" * 40,
    "empty": b"",
    "truncated": None,
    "huge_header": None,
    "no_face": None,
    "transparent": None,
}


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_a_bad_photo_is_one_sentence_and_the_last_face_stays(handlers, photo, tmp_path, name):
    path = tmp_path / f"{name}.png"
    if name == "truncated":
        path.write_bytes(photo.read_bytes()[:9000])
    elif name == "huge_header":
        from test_bad_photos import png_header

        path.write_bytes(png_header(60_000, 60_000))
    elif name == "no_face":
        noise_photo().save(path)
    elif name == "transparent":
        Image.new("RGBA", (300, 300), (200, 150, 120, 0)).save(path)
    else:
        path.write_bytes(BAD_PHOTOS[name])
    opened(handlers, "a", photo)
    before = handlers.store.get("a").rebuilt
    picture = handlers.live("a", REST).picture
    *_, last = handlers.open_photo("a", path, 2)
    assert problem(last)
    assert handlers.store.get("a").rebuilt is before
    assert handlers.live("a", REST).picture == picture


def test_a_newer_photo_wins(handlers, photo, group):
    older = handlers.open_photo("a", photo, 2)
    next(older)
    newer = opened(handlers, "a", group)
    left = list(older)  # the older job notices and gives up without touching the session
    assert not any(change.ready for change in left)
    assert len(handlers.store.get("a").faces) == 2
    assert handlers.live("a", REST).picture == newer[-1].picture


def test_a_bug_is_an_apology_in_the_page_and_a_line_in_the_log(handlers, photo, monkeypatch, caplog):
    opened(handlers, "a", photo)

    def fails(*_args, **_options):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(handlers.pipeline, "render", fails)
    monkeypatch.setattr(handlers.pipeline, "invert", fails)
    with caplog.at_level(logging.CRITICAL + 1):
        smile = Controls({"smile": 1.0})
        answers = [handlers.live("a", smile), handlers.paste("a", smile), next(handlers.save_face("a", smile))[1]]
    answers.append(list(handlers.open_photo("a", photo, 1))[-1])
    for change in answers:
        assert problem(change) == texts.UNEXPECTED
    assert "secret detail" in caplog.text


# Editing


def test_dragging_changes_the_picture_and_zero_brings_it_back(handlers, photo):
    rebuilt = opened(handlers, "a", photo)[-1].picture
    assert handlers.live("a", Controls({"smile": 0.0})).picture == rebuilt
    smiling = handlers.live("a", Controls({"smile": 3.0})).picture
    both = handlers.live("a", Controls({"smile": 3.0, "age": -2.0})).picture
    assert len({rebuilt, smiling, both}) == 3
    assert handlers.live("a", Controls({"smile": 3.0}, offset_strength=0.0)).picture != smiling


def test_words_change_the_picture_unless_switched_off(handlers, photo):
    rebuilt = opened(handlers, "a", photo)[-1].picture

    def draw(*prompts: TextEdit) -> Change:
        return handlers.live("a", Controls({}, prompts))

    beard = draw(TextEdit("a face with a beard", 4.0))
    assert beard.status is None
    assert beard.picture != rebuilt
    assert draw(TextEdit("a face with a beard", 4.0, on=False)).picture == rebuilt
    assert draw(TextEdit("a face with a beard", 4.0), TextEdit("a smiling face", 4.0)).picture != beard.picture
    assert draw(TextEdit("", 4.0), TextEdit("   ", 4.0)).picture == rebuilt


@pytest.mark.parametrize("words", ["zxqv blorp", "🧔🏽‍♀️🧔🏽‍♀️", "beard " * 834, "a face", "<script>alert(1)</script>"])
def test_words_nobody_knows_are_said_once_and_the_rest_still_works(handlers, photo, words):
    opened(handlers, "a", photo)
    smiling = handlers.live("a", Controls({"smile": 2.0})).picture
    controls = Controls({"smile": 2.0}, (TextEdit(words),))
    first = handlers.live("a", controls)
    assert problem(first)
    assert len(first.status.text) < 600
    assert first.picture == smiling
    assert handlers.live("a", controls).status is None  # already on the page
    assert handlers.live("a", Controls({"smile": 2.0})).status.kind == "done"


def test_left_out_words_are_named(handlers, photo):
    rebuilt = opened(handlers, "a", photo)[-1].picture
    change = handlers.live("a", Controls({}, (TextEdit("a face with a beard and zxqv", 4.0),)))
    assert change.picture != rebuilt
    assert change.status.kind == "info"
    assert "zxqv" in change.status.text


@pytest.mark.parametrize(
    "controls",
    [
        Controls({"smile": 1e9}),
        Controls({"smlie": 1.0}),
        Controls({}, (TextEdit("a smiling face", 1e9),)),
        Controls({}, offset_strength=1e9),
    ],
    ids=["huge", "unknown", "huge-words", "huge-offset"],
)
def test_absurd_controls_are_refused_and_nothing_is_lost(handlers, photo, controls):
    rebuilt = opened(handlers, "a", photo)[-1].picture
    change = handlers.live("a", controls)
    assert problem(change)
    assert change.picture is None
    assert handlers.live("a", REST).picture == rebuilt


def test_everything_asks_for_a_photo_first(handlers):
    for change in (handlers.live("a", REST), handlers.paste("a", REST), next(handlers.save_face("a", REST))[1]):
        assert problem(change) == texts.NO_FACE_YET
    assert problem(list(handlers.choose_face("a", 0, 2))[-1]) == texts.NO_FACE_YET


def test_answers_to_one_page_are_numbered_in_order(handlers, photo):
    opened(handlers, "a", photo)
    serials = [handlers.live("a", Controls({"smile": value / 10})).serial for value in range(10)]
    assert serials == sorted(set(serials))


def test_an_overtaken_request_is_dropped(handlers, photo):
    opened(handlers, "a", photo)
    session = handlers.store.get("a")
    answers: list[Change | None] = []
    with session.drawing:  # the first waits here ...
        waiting = threading.Thread(target=lambda: answers.append(handlers.live("a", Controls({"smile": 1.0}))))
        waiting.start()
        while not session.wanted.is_running:
            pass
        session.wanted.start()  # ... until a newer one arrives
    waiting.join(10)
    assert answers == [None]


def test_paste_back_and_downloads(handlers, photo):
    opened(handlers, "a", photo)
    controls = Controls({"smile": 3.0})
    shown = handlers.paste("a", controls)
    assert shown.status.kind == "done"
    assert decoded(shown.whole).size == (512, 512)
    for face_path, change in handlers.save_face("a", controls):
        assert change.status is None
        with Image.open(face_path) as face:
            rebuilt = handlers.store.get("a").rebuilt
            assert (face.format, face.width) == ("PNG", rebuilt.face.own_side(32))
            expected = handlers.pipeline.edit(rebuilt.face, rebuilt.inversion, controls.edits)
            assert ImageChops.difference(face.convert("RGB"), expected).getbbox() is None
    for whole_path, _ in handlers.save_whole("a", controls):
        with Image.open(whole_path) as whole:
            assert (whole.format, whole.size) == ("PNG", (512, 512))
            changed = ImageChops.difference(whole.convert("RGB"), astronaut()).getbbox()
    assert changed is not None
    assert changed[3] < 400  # the suit's lower half is outside the mask, so it is bit-exact
    assert not face_path.parent.exists()
    assert not whole_path.parent.exists()


def test_full_disk_is_one_sentence(handlers, photo, monkeypatch):
    opened(handlers, "a", photo)

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    ((path, change),) = handlers.save_face("a", REST)
    assert path is None
    assert problem(change)


# Sessions


def test_two_interleaved_pages_do_not_meet(handlers, photo, group):
    a, b = handlers.open_photo("a", photo, 2), handlers.open_photo("b", group, 1)
    pairs = [(next(a, None), next(b, None)) for _ in range(12)]
    last_a = [change for change, _ in pairs if change][-1]
    last_b = [change for _, change in pairs if change][-1]
    assert last_a.ready
    assert last_b.ready
    assert (len(last_a.frames), len(last_b.frames)) == (4, 3)
    smile, rest = Controls({"smile": 3.0}), REST
    first = handlers.live("a", smile).picture
    assert handlers.live("b", rest).picture == last_b.picture
    assert handlers.live("a", smile).picture == first
    assert handlers.live("a", rest).picture == last_a.picture
    handlers.close("a")
    assert problem(handlers.live("a", rest)) == texts.NO_FACE_YET
    assert handlers.live("b", rest).picture == last_b.picture


def test_the_store_is_bounded_and_forgets_the_least_recently_used():
    store = SessionStore(capacity=3)
    for key in "abc":
        store.get(key).photo = b"photo"
    dropped = store.get("b")
    store.get("a")
    store.get("c")
    store.get("d")
    assert len(store) == 3
    assert "b" not in store
    assert dropped.photo is None
    store.close("unknown")
    store.close_all()
    assert len(store) == 0


def test_serials_outlive_a_restart_of_the_server():
    page = SessionStore().get("a").next_serial()
    assert SessionStore().get("a").next_serial() > page


def test_an_open_page_holds_little(handlers, photo):
    opened(handlers, "a", photo)
    session = handlers.store.get("a")
    assert session.photo == photo.read_bytes()  # still encoded
    inversion = session.rebuilt.inversion
    numbers = inversion.w_plus.numel() + sum(code.numel() for code in inversion.codes.values())
    assert numbers < 1000  # no materialised offsets


# Small parts


def test_values_for_the_widgets_are_plain_data(handlers, group):
    changes = opened(handlers, "a", group)
    value = viewer_value(changes[-1])
    assert json.loads(json.dumps(value)) == value
    assert set(value) == {"serial", "status", "picture", "tag", "frames", "readout", "past", "controls"}
    assert value["tag"] == texts.TAG_REBUILT
    assert viewer_value(handlers.live("a", Controls({"smile": 1.0})))["tag"] == texts.TAG_EDITED
    assert set(viewer_value(Change(7))) == {"serial"}
    view = next(change.photo for change in changes if change.photo is not None)
    assert picker_value(view)["note"] == texts.PICKER_MANY.format(count=2)


def test_live_pictures_are_small_jpegs():
    uri = to_data_uri(astronaut().resize((128, 128)))
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) < 16_000
    assert decoded(uri).size == (128, 128)
    assert shrink(astronaut(), 100).size == (100, 100)
    assert shrink(astronaut(), 1000).size == (512, 512)


# The page as a whole


def test_the_page_is_built_from_the_domain(talking):
    demo = create_demo(talking, examples=None)
    panel = demo.page.panel
    edits = [edit for group in panel.props["groups"] for edit in group["edits"]]
    assert {edit["name"]: edit["label"] for edit in edits} == {"smile": "Smile", "age": "Age"}
    assert all(edit["info"] for edit in edits)
    assert [row["words"] for row in panel.props["prompts"]["suggestions"]] == ["a face with a beard", "a smiling face"]
    assert read_controls(panel.value, 1) == Controls(steps=3)


def test_without_a_text_model_the_page_says_so(tiny):
    panel = create_demo(tiny, examples=None).page.panel
    assert panel.props["prompts"] is None
    assert panel.props["words"]["WORDS_MISSING"] == texts.WORDS_MISSING


def test_the_page_says_what_happens_to_the_photo_and_which_weights_these_are(tiny):
    for hosted, sentence in ((False, texts.PRIVACY), (True, texts.PRIVACY_HOSTED)):
        demo = create_demo(tiny, examples=None, hosted=hosted)
        page = " ".join(str(block.value) for block in demo.blocks.values() if isinstance(block, gr.HTML))
        assert sentence in page
        assert "Random weights for tests" in page
        assert "Licence: MIT" in page


def test_privacy_switches_and_one_endpoint_per_verb(tiny):
    with served(tiny) as (address, demo):
        assert demo.analytics_enabled is False
        assert demo.run_history is False
        assert demo.delete_cache == (60, 600)
        assert demo.share is False
        named = set(Client(address, verbose=False).view_api(return_format="dict")["named_endpoints"])
    assert named == {"/align", "/invert", "/edit", "/compare", "/animate"}


def test_the_page_is_small_and_carries_each_translation_once(talking):
    with served(talking, DRAWN_EXAMPLES) as (address, _):
        sent = urllib.request.urlopen(address).read()
    assert len(sent) < 350_000
    config = json.loads(re.search(rb"window\.gradio_config = (\{.*?\});</script>", sent, re.S)[1])
    components = json.dumps(config["components"], ensure_ascii=False)
    asked = set(re.findall(r"__i18n__\{.*?key\W+(.*?)\\\"\}", components)) & set(GERMAN)
    assert asked
    assert asked <= set(config["i18n_translations"]["de"]) < set(GERMAN)  # also what earlier pages asked for
    tables = json.loads(re.search(r"hsLanguages = (\{.*\});", config["head"])[1])
    assert tables == LANGUAGES
    for text in GERMAN.values():
        assert len(text) < 40 or text not in components


def test_examples_are_offered(tiny, tmp_path):
    astronaut().save(tmp_path / "space_suit.jpg")
    (tmp_path / "notes.txt").write_text("not a picture")
    page = create_demo(tiny, examples=tmp_path).page
    (example,) = page.thumbnails.value
    assert example["label"] == "space suit"
    assert decoded(example["source"]).size == (128, 128)


# Programs


@pytest.fixture(scope="module")
def client(talking):
    with served(talking) as (address, _):
        yield Client(address, verbose=False)


def test_align_over_the_client(client, group):
    picture, report = client.predict(handle_file(str(group)), "1", api_name="/align")
    with Image.open(picture) as crop:
        assert (crop.format, crop.size) == ("PNG", (256, 256))
    assert report["chosen"] == 1
    assert [face["index"] for face in report["faces"]] == [0, 1]
    assert report["faces"][0]["face_px"] > report["faces"][1]["face_px"]


def test_invert_then_edit_over_the_client(client, talking, photo):
    picture, report, file = client.predict(handle_file(str(photo)), "largest", 2, api_name="/invert")
    assert len(report["steps"]) == 2
    assert {"identity", "perceptual", "l2", "ms_ssim"} <= set(report["encoder"])
    inversion = Inversion.load(file)
    assert (inversion.domain, inversion.steps) == ("tiny", 2)
    edited = client.predict(
        photo=None,
        inversion=handle_file(file),
        edits={"smile": 2.0},
        prompts=[{"prompt": "a face with a beard", "strength": 2.0}],
        api_name="/edit",
    )
    with Image.open(picture) as rebuilt, Image.open(edited) as changed:
        assert rebuilt.size == changed.size == (32, 32)
        assert ImageChops.difference(rebuilt.convert("RGB"), changed.convert("RGB")).getbbox() is not None


def test_edit_a_photo_and_paste_back_over_the_client(client, photo):
    whole = client.predict(
        photo=handle_file(str(photo)), inversion=None, edits={"smile": 3}, paste_back=True, steps=1, api_name="/edit"
    )
    with Image.open(whole) as picture:
        assert picture.size == (512, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give a photo"),
        ({"photo": "photo", "edits": {"smlie": 1}}, "smile"),
        ({"photo": "photo", "edits": {"smile": "lots"}}, "number"),
        ({"photo": "photo", "edits": {"smile": 1e9}}, "smile"),
        ({"photo": "photo", "edits": [1]}, "object"),
        ({"photo": "photo", "prompts": [{"words": "beard"}]}, "prompts"),
        ({"photo": "photo", "prompts": [{"prompt": "zxqv"}]}, "zxqv"),
        ({"photo": "photo", "face": "7"}, "face 7"),
        ({"photo": "photo", "face": "left"}, "largest"),
        ({"photo": "photo", "steps": 99}, "steps"),
        ({"photo": "text"}, "picture"),
        ({"inversion": "text"}, "text"),
        ({"inversion": "text", "paste_back": True}, "photo"),
    ],
)
def test_bad_requests_over_the_client(client, photo, tmp_path, options, message):
    text = tmp_path / "text.png"
    text.write_bytes(b"not a picture, not an inversion\n" * 20)
    files = {"photo": str(photo), "text": str(text)}
    request = {"photo": None, "inversion": None} | options
    for name in ("photo", "inversion"):
        if request[name]:
            request[name] = handle_file(files[request[name]])
    with pytest.raises(AppError, match=message) as raised:
        client.predict(**request, api_name="/edit")
    assert "Traceback" not in str(raised.value)


# app.py and the port


def run_app(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_taken_port_is_one_sentence(tiny):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} "):
            launch(create_demo(tiny, examples=None), port=port)
        result = run_app("--port", str(port))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"Port {port} " in result.stderr


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**9])
def test_impossible_ports_are_refused(port):
    with pytest.raises(UsageError, match="between 1 and 65535"):
        ports.check_port("127.0.0.1", port)


def test_unknown_hosts_are_refused():
    with pytest.raises(UsageError, match="not known"):
        ports.check_port("no.such.host.invalid", 7860)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--domain", "portrats"], 2, "portraits"),
        (["--domain", "."], 1, "domain.json"),
        (["--device", "abacus"], 2, "abacus"),
        (["--port", "many"], 2, "port"),
        (["--colour", "red"], 2, "colour"),
    ],
)
def test_app_says_what_is_wrong(arguments, code, message):
    if "--port" not in arguments:
        arguments = [*arguments, "--port", str(free_port())]
    result = run_app(*arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_importing_app_loads_no_model():
    code = "import sys, app; assert not {'torch', 'gradio', 'mediapipe'} & set(sys.modules), 'loaded'; print(app.main)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_host_and_port_come_from_the_environment(monkeypatch):
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "PORT", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    assert (ports.default_host(), ports.default_port()) == ("127.0.0.1", 7860)
    monkeypatch.setenv("SPACE_ID", "someone/hyperstyle")
    monkeypatch.setenv("PORT", "8080")
    assert (ports.default_host(), ports.default_port()) == ("0.0.0.0", 8080)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "9090")
    assert ports.default_port() == 9090
    monkeypatch.setenv("GRADIO_SERVER_PORT", "many")
    with pytest.raises(UsageError, match="GRADIO_SERVER_PORT"):
        ports.default_port()
