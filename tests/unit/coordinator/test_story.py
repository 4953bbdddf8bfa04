from __future__ import annotations

from routilux_dist.coordinator.story import Story


def test_it_tells_the_last_lines_about_one_thing() -> None:
    story = Story()
    for n in range(30):
        story.add(n, "j1" if n % 2 else "j2", f"line {n}")
    told = story.tell("j1", last=3).splitlines()
    assert [line.split(": ")[1] for line in told] == ["line 25", "line 27", "line 29"]
    assert len(story.tell().splitlines()) == 20


def test_it_forgets_the_oldest() -> None:
    story = Story(size=2)
    for n in range(5):
        story.add(n, "j", f"line {n}")
    assert "line 2" not in story.tell()
    assert "line 3" in story.tell()


def test_an_empty_story_says_so() -> None:
    assert Story().tell("j") == "  (nothing)"
