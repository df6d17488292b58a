"""Options of an editor are typed where they are given as keywords."""

from __future__ import annotations

from dataclasses import fields

import pytest

from joyvasa_lib.emotion.editor import EditorKwargs, EmotionEditor, make_editor
from joyvasa_lib.errors import OptionError


def test_the_keywords_are_the_editors_own_options() -> None:
    options = [field for field in fields(EmotionEditor) if field.name != "emotion"]
    assert EditorKwargs.__annotations__.keys() == {field.name for field in options}
    for field in options:
        assert EditorKwargs.__annotations__[field.name].__forward_arg__ == field.type


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(OptionError, match="no option 'strenght'"):
        make_editor("happiness", strenght=0.5)  # type: ignore[call-arg]
