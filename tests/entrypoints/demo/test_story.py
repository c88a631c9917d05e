"""The transcript: every line is shown as it happens and kept, with times and costs."""

from __future__ import annotations

import pytest

from mooring.entrypoints.demo.story import Line, Story


def test_steps_are_numbered_timed_and_summed() -> None:
    shown: list[str] = []
    story = Story("gas", shown.append)
    with story.step("first") as first:
        story.tell("registered", cost=100)
        story.tell("approved", cost=20)
        story.tell("for nothing")
        story.refuse("a second approval")
    with story.step("second") as second:
        pass
    assert (first.number, second.number) == (1, 2)
    assert (first.gas, second.gas) == (120, 0)
    assert first.lines == [
        Line("registered", "gas", 100),
        Line("approved", "gas", 20),
        Line("for nothing", "fact", 0),
        Line("a second approval", "refused", 0),
    ]
    assert shown == story.text
    assert shown[0] == "\n 1. first"
    assert shown[1:5] == [
        "    · registered  [100 gas]",
        "    · approved  [20 gas]",
        "    · for nothing",
        "    ✗ a second approval",
    ]
    assert shown[5].endswith("s, 120 gas)")
    assert story.seconds >= first.seconds + second.seconds >= 0


def test_a_step_that_fails_ends_the_story() -> None:
    story = Story("bytes", lambda _: None)
    with pytest.raises(KeyError), story.step("first"):
        raise KeyError("x")
    assert len(story.steps) == 1
