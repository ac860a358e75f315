"""diagnose_gradients: which look-alike of vanishing or exploding gradients it is, where, and what decides."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.gradients.evidence import Evidence, merged
from kaiming_mcp.diagnosis.gradients.labels import stated_initialization
from kaiming_mcp.diagnosis.gradients.report import NAME, diagnose
from kaiming_mcp.diagnosis.network.subject import Subject, examine
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.training import training as read_training
from kaiming_mcp.picture.model import Picture
from kaiming_mcp.replies.drawing import Draw, call_of, undrawn
from kaiming_mcp.replies.network import ReadNetwork, Sent, completed, read_network, read_source
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Fact, Scaffold

EXAMPLE_CALL = EXAMPLES[NAME]
LONGEST_DESCRIPTION = 20_000
"""Characters of measurements that are also tried as the description of a network."""


def diagnose_drawn(
    content: Library,
    symptom: str = "",
    architecture: str = "",
    measurements: str = "",
    training: str = "",
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    roots: Roots = (),
) -> tuple[Scaffold, Draw]:
    """The diagnosis, or what to send when nothing was established; and what draws it.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    asked = Sent(architecture, input, batch, initialization or stated_initialization(training))
    found = _answered(content, symptom, measurements, training, asked, roots)

    def draw(shown: Scaffold) -> Picture | None:
        if shown.needs:
            return None
        from kaiming_mcp.picture.build import picture_of_diagnosis

        return picture_of_diagnosis(found.evidence, shown, call_of(asked, found.read) if found.read else None)

    return found.scaffold, draw


diagnose_text = undrawn(diagnose_drawn)


@dataclass(frozen=True, slots=True)
class _Diagnosed:
    """The network that was read, if any, what is known, and the scaffold."""

    scaffold: Scaffold
    evidence: Evidence
    read: ReadNetwork | None


def _answered(
    content: Library, symptom: str, measurements: str, training: str, asked: Sent, roots: Roots
) -> _Diagnosed:
    source = read_source("measurements", measurements, roots, "path:run/log.txt")
    found = _diagnosed(content, symptom, source.text, training, asked, roots)
    if found.scaffold.needs:
        return found
    short, again = completed(found.read, asked) if found.read else (asked, None)
    args = {
        "symptom": symptom,
        "measurements": source.reference or measurements,
        "training": training,
        **short.args(),
    }

    def recomputed() -> list[Fact]:
        return _diagnosed(content, symptom, source.text, training, short).scaffold.established

    line = request_line(NAME, args, found.scaffold.established, recomputed if again else None)
    return replace(found, scaffold=found.scaffold.model_copy(update={"request": line}))


def _diagnosed(
    content: Library, symptom: str, measurements: str, training: str, sent: Sent, roots: Roots = ()
) -> _Diagnosed:
    """The diagnosis without its request line."""
    try:
        log, words = read_measurements(measurements, training), read_measurements(symptom)
    except ReadError as error:
        raise ToolError(f"`measurements`: {error}") from error
    read, unread = _network(sent, roots)
    if read is None and not sent.architecture.strip() and not log.per_layer:
        read = _described(measurements, symptom, sent)
    told = "\n".join((symptom, training, measurements))
    said = f"{measurements}\n{symptom}\n{sent.architecture}"
    measured = merged(log, words, training=read_training(training, said), words=told)
    subject = _subject(read, f"{told}\n{sent.architecture}")
    evidence = Evidence(measured, told, sent.architecture, subject, unread)
    return _Diagnosed(diagnose(evidence, content), evidence, read)


def _network(sent: Sent, roots: Roots) -> tuple[ReadNetwork | None, str]:
    """The network that was sent, or why it could not be read: prose beside measurements is no error."""
    if not sent.architecture.strip():
        return None, ""
    try:
        read = read_network(sent, roots)
    except ToolError as error:
        if not str(error).startswith("`architecture`: ") or re.match(r"path:", sent.architecture.strip()):
            raise
        return None, str(error).removeprefix("`architecture`: ")
    return (None, read) if isinstance(read, str) else (read, "")


def _described(measurements: str, symptom: str, sent: Sent) -> ReadNetwork | None:
    """A network that stands among the measurements, layer after layer, where no architecture was sent."""
    for text in (measurements, symptom):
        if not 12 < len(text) < LONGEST_DESCRIPTION:
            continue
        try:
            read = read_network(replace(sent, architecture=text))
        except ToolError:
            continue
        if not isinstance(read, str):
            return read
    return None


def _subject(read: ReadNetwork | None, said: str) -> Subject | None:
    return None if read is None else examine(read.network, read.init, read.batch, read_wishes(said))
