"""The numbers of the picture are those of the trace, and of the text of the same call."""

from __future__ import annotations

import ast
import math
import time
from pathlib import Path

import numpy as np
import pytest
from networks import BATCH_NORMED, PLAIN, PRINTED, TRACED, drawn, traced

from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.diagnosis.network import variants
from kaiming_mcp.picture import floors as formats
from kaiming_mcp.picture.align import aligned
from kaiming_mcp.picture.axis import axis_of
from kaiming_mcp.picture.course import drawn as drawing
from kaiming_mcp.picture.course import variant
from kaiming_mcp.picture.floors import floors
from kaiming_mcp.picture.model import Picture
from kaiming_mcp.picture.thin import thinned
from kaiming_mcp.scaffold import Scaffold, power
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

LN10 = math.log(10)
every = pytest.mark.parametrize("name", TRACED)


def _main(picture: Picture, values: list[float | None]) -> list[float | None]:
    return [v for v, p in zip(values, picture.places, strict=True) if p.main]


def _close(shown: float | None, log: float) -> bool:
    """Whether a plotted logarithm is a natural one; the plot keeps four decimals."""
    return shown is not None and abs(shown * LN10 - log) < 2e-4


@every
def test_every_place_has_the_numbers_of_the_trace_of_the_call_that_the_picture_names(name: str) -> None:
    _, picture = traced(name)
    assert picture.call is not None
    network = read_architecture(picture.call.architecture).networks[0]
    found = trace(network, parse_initialization(picture.call.initialization), TRACED[name].get("batch", 128))
    assert len(found.stations) == len(picture.places)
    last = found.main_path()[-1]
    shown = picture.variants[0]
    for i, station in enumerate(found.stations):
        assert picture.places[i].kind == station.kind
        assert picture.places[i].inside == station.inside
        assert _close(shown.second_moment[i], station.state.log_q)
        assert _close(shown.gradient[i], station.log_g - last.log_g)
        assert shown.correlation[i] == pytest.approx(1 - station.state.across, abs=2e-6)
        assert (shown.weight_gradient[i] is None) == (station.log_w is None)


def _columns(scaffold: Scaffold) -> dict[str, list[str]]:
    head, _, *rows = [[c.strip() for c in line.strip("| ").split(" | ")] for line in scaffold.table.splitlines()]
    return {name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(head)}


@every
def test_the_table_of_the_text_holds_the_numbers_that_are_drawn(name: str) -> None:
    scaffold, picture = traced(name)
    table, shown = _columns(scaffold), picture.variants[0]
    q, g, c = (_main(picture, v) for v in (shown.second_moment, shown.gradient, shown.correlation))
    for row, place in enumerate(int(n) - 1 for n in table["place"]):
        for text, value in ((table["E[x²]"][row], q[place]), (table["gradient Σ (rel. to last)"][row], g[place])):
            assert value is not None
            assert float(text) == pytest.approx(10**value, rel=6e-3)
        assert float(table["differs between inputs"][row]) == pytest.approx(1 - (c[place] or 0.0), abs=6e-3)


@every
def test_the_ratio_that_is_drawn_is_the_fact_that_is_established(name: str) -> None:
    scaffold, picture = traced(name)
    shown = picture.variants[0]
    gradient, signal = _main(picture, shown.gradient), _main(picture, shown.second_moment)
    fact = next(f for f in scaffold.established if f.unit == "gradient")
    assert fact.value == pytest.approx(10 ** (gradient[0] or 0.0), rel=1e-3)
    moved = (signal[-1] or 0.0) - (signal[0] or 0.0)
    assert f"E[x²] last/first: {power(moved * LN10)[:3]}" in scaffold.key_numbers[1]


def test_of_two_changes_the_one_that_heals_is_drawn() -> None:
    scaffold, picture = traced("sigmoid")
    assert "no gain saves sigmoid" in scaffold.first_change
    assert picture.variants[1].about.startswith("relu")
    assert picture.variants[1].gradient[0] == pytest.approx(0, abs=1)


SOUND = ("resnet", "post-norm")
CHANGED = [name for name in TRACED if name not in SOUND]


@pytest.mark.parametrize("name", CHANGED)
def test_the_second_course_is_that_of_the_effect_that_the_first_change_predicts(name: str) -> None:
    scaffold, picture = traced(name)
    assert len(picture.variants) == 2
    after = [v for v in _main(picture, picture.variants[1].gradient) if v is not None]
    cited = [f for f in scaffold.established if f"[{f.id}]" in scaffold.first_change and f.value]
    assert any(f.value and abs(math.log10(f.value) - after[0]) < 2e-3 for f in cited), (after[0], cited)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_network_has_one_course_and_no_marker(name: str) -> None:
    scaffold, picture = traced(name)
    assert scaffold.first_change.startswith("None is called for")
    assert [v.name for v in picture.variants] == ["as pasted"]
    assert picture.findings == []


def test_a_network_with_skips_stands_over_the_layers_of_the_one_without() -> None:
    network = read_architecture(BATCH_NORMED).networks[0]
    changed = variants.with_skips(network)
    before, after = (drawing(trace(n, parse_initialization("he"), 64)) for n in (network, changed))
    own = variant(after, "after", "skips")
    lists = aligned(before, after, own)
    sums = [i for i, s in enumerate(after.stations) if s.kind == "sum"]
    assert len(sums) == 10
    # Sum k has passed 2k layers, and so has the layer that it stands over; between them is nothing.
    assert [i for i, v in enumerate(lists.gradient) if v is not None] == list(range(1, 20, 2))
    assert [v for v in lists.second_moment if v is not None] == [own.second_moment[i] for i in sums]
    assert [bool(notes) for notes in lists.notes] == [v is not None for v in lists.gradient]


@pytest.mark.parametrize("path", PRINTED.values(), ids=PRINTED)
def test_the_axis_names_every_station_of_a_trace_in_its_order(path: Path) -> None:
    for network in read_architecture(path.read_text("utf-8")).networks:
        try:
            found = trace(network, parse_initialization("he"), 32)
        except ValueError:
            continue
        axis = axis_of(found.followed.root)
        assert [op is None for op in axis.ops] == [s.kind == "sum" for s in found.stations]
        for first, last in axis.blocks:
            assert found.stations[last].kind == "sum"
            assert all(s.kind == "layer" or s.inside for s in found.stations[first:last])
        assert all(0 <= place < len(axis.ops) for place, _ in axis.norms)


def test_blocks_and_norms_of_a_printed_resnet_stand_where_they_are() -> None:
    _, picture = traced("resnet")
    assert len(picture.blocks) == 8
    assert len(picture.norms) == 20
    assert {n.label for n in picture.norms} == {"batchnorm"}
    assert [picture.places[b.last].name for b in picture.blocks][:2] == ["layer1.0", "layer1.1"]
    assert picture.places[0].line == 2


def test_floors_are_the_least_numbers_of_each_format_squared() -> None:
    found = {(f.name, f.kind): f.value for f in traced("plain")[1].floors}
    for name in ("float16", "float32"):
        info = np.finfo(name)
        assert found[name, "normal"] == pytest.approx(2 * math.log10(float(info.tiny)), abs=1e-4)
        assert found[name, "subnormal"] == pytest.approx(2 * math.log10(float(info.smallest_subnormal)), abs=1e-4)
    # float32 with its last 16 bits cut off.
    least = np.array([1 << 16], dtype=np.uint32).view(np.float32)[0]
    assert found["bfloat16", "subnormal"] == pytest.approx(2 * math.log10(float(least)), abs=1e-4)
    assert formats.FLOAT16.subnormal == float(np.float16(6e-8))


def test_a_floor_is_higher_where_a_place_sums_over_more_elements() -> None:
    narrow, wide = next(f.values for f in floors([10, 1000], 0, None, "") if f.values)
    assert narrow is not None
    assert wide is not None
    assert wide - narrow == pytest.approx(2, abs=1e-3)
    assert all(f.values == [] for f in floors([64, 64], 1, None, ""))


def test_a_thousand_layers_are_drawn_in_under_a_second() -> None:
    drawn("trace_signal", architecture=PLAIN)
    begun = time.process_time()
    _, picture = drawn("trace_signal", architecture="repeat 1000 { linear 256 256 ; relu }")
    assert time.process_time() - begun < 1
    assert len(picture.places) == 1000


def test_thinned_places_keep_the_ends_and_a_spike_of_one_place() -> None:
    before, behind = (f"repeat {n} {{ linear 8 8 ; relu }}" for n in (137, 163))
    text = f"{before} ; multiply 1000 ; linear 8 8 ; layernorm 8 ; {behind} ; linear 8 3"
    _, picture = drawn("trace_signal", architecture=text, initialization="he")
    # A finding points at the spike: without one it has to be kept for its own sake.
    fewer = thinned(picture.model_copy(update={"findings": []}), 40)
    assert 30 <= len(fewer.places) <= 40
    assert fewer.title == f"{picture.title} ({len(fewer.places)} of 302 places)"
    assert (fewer.places[0], fewer.places[-1]) == (picture.places[0], picture.places[-1])
    for long, short in zip(picture.variants, fewer.variants, strict=True):
        for name in ("second_moment", "gradient", "weight_gradient", "correlation"):
            whole, kept = ([v for v in getattr(one, name) if v is not None] for one in (long, short))
            assert (min(kept), max(kept)) == (min(whole), max(whole)), name
    top = picture.variants[0].second_moment
    assert max(v for v in top if v is not None) > (top[0] or 0) + 5
    pointed = thinned(picture, 2)
    assert len(pointed.findings) == len(picture.findings) > 0
    for old, new in zip(picture.findings, pointed.findings, strict=True):
        assert old.place is not None
        assert new.place is not None
        assert pointed.places[new.place] == picture.places[old.place]


def test_long_networks_are_drawn_with_two_thousand_places() -> None:
    _, picture = drawn("trace_signal", architecture="repeat 2100 { linear 8 8 ; relu }", initialization="he")
    assert 1000 < len(picture.places) <= 2000
    assert "of 2,100 places" in picture.title
    assert all(len(v.gradient) == len(v.notes) == len(picture.places) for v in picture.variants)


def test_the_room_of_the_picture_knows_nothing_of_the_protocol() -> None:
    room = Path(formats.__file__).parent
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith(("mcp", "kaiming_mcp.replies", "kaiming_mcp.tools", "kaiming_mcp.server")), (
                    path
                )
