"""The figure: valid, complete, the same each time, and nothing in it lies over another."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from networks import DECAY, TRACED, drawn, named_by_a_script, traced

from kaiming_mcp.picture.canvas import Scale, width_of, wrapped
from kaiming_mcp.picture.model import Picture
from kaiming_mcp.picture.png import ZOOM, NotDrawnError, png
from kaiming_mcp.picture.svg import WIDTH, svg
from kaiming_mcp.picture.theme import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
every = pytest.mark.parametrize("name", TRACED)


def _tree(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(svg(picture))


def _texts(tree: ElementTree.Element) -> str:
    return "\n".join(e.text or "" for e in tree.iter(f"{SVG}text"))


@every
def test_the_figure_is_one_image_with_a_title_and_a_description(name: str) -> None:
    scaffold, picture = traced(name)
    tree = _tree(picture)
    assert tree.tag == f"{SVG}svg"
    assert tree.get("role") == "img"
    ids = {e.get("id"): e.text for e in tree if e.get("id")}
    assert [*ids] == (tree.get("aria-labelledby") or "").split()
    assert ids["picture-title"] == picture.title
    described = ids["picture-desc"] or ""
    assert scaffold.verdict.replace("`", "") in described
    for note in picture.variants[0].notes[next(i for i, p in enumerate(picture.places) if p.main)]:
        assert note in described


@every
def test_the_figure_holds_what_the_picture_holds(name: str) -> None:
    _, picture = traced(name)
    tree, texts = _tree(picture), _texts(_tree(picture))
    for words in (
        "Second moment",
        "Gradient",
        "two inputs have in common",
        "place, in order of execution",
        "as pasted",
    ):
        assert words in texts
    assert ("after the first change" in texts) == (len(picture.variants) == 2)
    assert ("residual" in texts.splitlines()) == bool(picture.blocks)
    gradient = next(e for e in tree.iter(f"{SVG}g") if e.get("class") == "gradient")
    dashes = [
        e.get("stroke-dasharray") for e in gradient.iter(f"{SVG}polyline") if e.get("stroke") == LIGHT.after.color
    ]
    assert dashes == [LIGHT.after.dash] * (len(picture.variants) - 1)
    for number, finding in enumerate(picture.findings, 1):
        assert str(number) in texts.splitlines()
        assert finding.title[:20] in texts


def test_the_float16_floor_is_drawn_where_the_gradient_falls_below_it() -> None:
    assert "float16 → 0" in _texts(_tree(traced("plain")[1]))
    assert "float16" not in _texts(_tree(traced("resnet")[1]))


def test_measured_points_have_their_interval_or_an_arrow() -> None:
    rows = "\n".join(f"layers.{i}.weight grad norm: {v}" for i, v in enumerate(["0.0000", "0.0001", "0.002", "0.030"]))
    _, picture = drawn("diagnose_gradients", measurements=rows)
    tree = _tree(picture)
    group = next(e for e in tree.iter(f"{SVG}g") if e.get("class") == "weight_gradient")
    told = [e.text or "" for e in group.iter(f"{SVG}title")]
    assert any("0.0000 as printed" in t for t in told)
    assert len(list(group.iter(f"{SVG}polygon"))) == 3
    assert any(e.get("stroke-width") == "1.2" for e in group.iter(f"{SVG}line"))


def _boxes(tree: ElementTree.Element) -> list[tuple[float, float, float, float, str]]:
    """Where each line of text stands: left, top, right, bottom."""
    found = list[tuple[float, float, float, float, str]]()

    def walk(node: ElementTree.Element, dx: float, dy: float) -> None:
        if moved := re.fullmatch(r"translate\(([\d.]+) ([\d.]+)\)", node.get("transform") or ""):
            dx, dy = dx + float(moved[1]), dy + float(moved[2])
        if node.tag == f"{SVG}text":
            size, text = float(node.get("font-size") or 0), node.text or ""
            wide = width_of(text, size) * (1.06 if node.get("font-weight") else 1)
            x, y = dx + float(node.get("x") or 0), dy + float(node.get("y") or 0)
            left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[node.get("text-anchor") or "start"]
            found.append((left, y - 0.75 * size, left + wide, y + 0.2 * size, text))
        for child in node:
            walk(child, dx, dy)

    walk(tree, 0.0, 0.0)
    return found


def _pictures() -> dict[str, Picture]:
    shown = {name: traced(name)[1] for name in TRACED}
    shown["measured"] = drawn("diagnose_gradients", measurements=DECAY)[1]
    shown["compared"] = drawn(
        "diagnose_gradients", architecture="repeat 19 { linear 64 64 ; relu } ; linear 64 10", measurements=DECAY
    )[1]
    shown["two layers"] = drawn("trace_signal", architecture="linear 8 8 ; relu ; linear 8 1")[1]
    return shown


def test_no_text_lies_over_another_or_leaves_the_figure() -> None:
    for name, picture in _pictures().items():
        tree = _tree(picture)
        boxes, height = _boxes(tree), float(tree.get("height") or 0)
        for i, (left, top, right, bottom, text) in enumerate(boxes):
            assert left >= 0, (name, text)
            assert right <= WIDTH, (name, text, right)
            assert bottom <= height, (name, text)
            for other in boxes[i + 1 :]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart, (name, text, other[4])


def test_the_same_document_gives_the_same_bytes_and_each_theme_its_own() -> None:
    _, picture = traced("residual")
    again = Picture.model_validate(picture.document())
    assert svg(again) == svg(picture)
    assert svg(picture, DARK) != svg(picture)
    assert DARK.paper in svg(picture, DARK)


HOSTILE = '</text><script>alert(1)</script> "><img src=x onerror=alert(1)> ]]> &amp; \x00\x1b[31m\x0b \u202e'


def _hostile() -> Picture:
    """A picture with hostile words wherever words can stand."""
    _, picture = traced("residual")
    data = picture.document()

    def spoiled(part: object) -> object:
        match part:
            case str():
                return f"{part} {HOSTILE}"
            case list():
                return [spoiled(p) for p in part]
            case _:
                return part

    for key in ("title", "verdict", "change"):
        data[key] = spoiled(data[key])
    for place in data["places"]:
        place["name"], place["label"] = spoiled(place["name"]), spoiled(place["label"])
    for shown in data["variants"]:
        shown["about"], shown["notes"] = spoiled(shown["about"]), [spoiled(n) for n in shown["notes"]]
    for finding in data["findings"]:
        finding["title"], finding["text"] = spoiled(finding["title"]), spoiled(finding["text"])
    for norm in data["norms"]:
        norm["label"] = spoiled(norm["label"])
    return Picture.model_validate(data)


def test_hostile_words_are_words() -> None:
    text = svg(_hostile())
    tree = ElementTree.fromstring(text)
    assert "<script" not in text
    assert "<img" not in text
    allowed = "svg title desc text rect line polyline polygon path circle g".split()
    assert {e.tag.removeprefix(SVG) for e in tree.iter()} <= set(allowed)
    assert not any(name.startswith("on") or "href" in name for e in tree.iter() for name in e.attrib)


def test_a_layer_named_as_a_script_is_shown_as_its_name() -> None:
    _, picture = drawn("diagnose_gradients", measurements=named_by_a_script())
    assert "<script>alert(1)</script>" in [p.name for p in picture.places]
    assert "<script" not in svg(picture)
    assert any("<script>alert(1)</script>" in (e.text or "") for e in _tree(picture).iter(f"{SVG}title"))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_png_has_the_size_of_the_figure_twice(theme: object) -> None:
    assert theme in (LIGHT, DARK)
    figure = svg(traced("plain")[1], LIGHT if theme is LIGHT else DARK)
    height = float(re.search(r'height="([\d.]+)"', figure)[1])  # type: ignore[index] - there is one
    try:
        pixels = png(figure)
    except NotDrawnError as reason:
        assert "font" in str(reason)
        pytest.skip(str(reason))
    assert pixels[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(pixels[16:20]) == ZOOM * WIDTH
    assert abs(int.from_bytes(pixels[20:24]) - ZOOM * height) <= 1


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(NotDrawnError, match=r"pip install 'kaiming-mcp\[plot\]'"):
        png(svg(traced("plain")[1]))


@pytest.mark.parametrize(("low", "high"), [(-14.8, 0.3), (0.0, 1.0), (-0.2, 0.2), (-300.0, 4000.0), (1.0, 20.0)])
def test_ticks_are_round_in_range_and_not_too_many(low: float, high: float) -> None:
    ticks = Scale(low, high, 0, 100).ticks(5)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) <= 1


def test_words_wrap_to_their_room_and_end_in_an_ellipsis() -> None:
    lines = wrapped("word " * 60, 12, 200, 3)
    assert len(lines) == 3
    assert all(width_of(line, 12) <= 200 for line in lines)
    assert lines[-1].endswith("…")
    assert wrapped("short", 12, 200, 3) == ["short"]


def test_palettes_differ_in_dash_and_marker_not_in_colour_alone() -> None:
    for theme in (LIGHT, DARK):
        strokes = (theme.before, theme.after, theme.measured)
        assert len({s.marker for s in strokes}) == 3
        assert theme.before.dash != theme.after.dash


def test_the_figure_of_a_thousand_layers_is_small(tmp_path: Path) -> None:
    _, picture = drawn("trace_signal", architecture="repeat 1000 { linear 256 256 ; relu }")
    out = tmp_path / "deep.svg"
    out.write_text(svg(picture), encoding="utf-8")
    assert out.stat().st_size < 300_000
