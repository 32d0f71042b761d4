"""Errors become sentences, in functions and in generators."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from hyperstyle.demo import texts
from hyperstyle.demo.trouble import OneSentence
from hyperstyle.errors import NoFaceFound


def told(error: BaseException | None, unexpected: str = texts.UNEXPECTED) -> Iterator[str]:
    with OneSentence(unexpected) as trouble:
        yield "begun"
        if error is not None:
            raise error
        yield "ended"
    if trouble.error:
        yield trouble.sentence


def test_what_is_meant_for_people_is_said_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert list(told(NoFaceFound("There is no face."))) == ["begun", "There is no face."]
    assert not caplog.records


def test_anything_else_is_logged_with_its_stack_and_becomes_a_general_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        assert list(told(ZeroDivisionError("secret detail"))) == ["begun", texts.UNEXPECTED]
        assert list(told(MemoryError(), "No room.")) == ["begun", "No room."]
    assert "secret detail" in caplog.text
    assert "Traceback" in caplog.text


def test_nothing_is_said_when_all_goes_well() -> None:
    assert list(told(None)) == ["begun", "ended"]
    with OneSentence() as trouble:
        pass
    assert (trouble.error, trouble.sentence) == (None, "")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_must_stop_the_program_does(error: BaseException) -> None:
    with pytest.raises(type(error)):
        list(told(error))


def test_a_generator_that_nobody_reads_on_ends_quietly() -> None:
    answers = told(None)
    assert next(answers) == "begun"
    answers.close()
    assert list(answers) == []
