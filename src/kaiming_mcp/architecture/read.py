"""One door for every input format: detect, read, or say what to send."""

from __future__ import annotations

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Reading
from kaiming_mcp.architecture.notation import looks_like_notation, read_notation
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.architecture.torch_repr import looks_like_torch_repr

EXAMPLE = """input 3x32x32
conv 3 64 k3 ; batchnorm ; relu
repeat 8 { residual { conv 64 64 k3 ; batchnorm ; relu ; conv 64 64 k3 ; batchnorm } ; relu }
globalpool ; linear 64 10"""

ACCEPTED = (
    "Send the text that PyTorch's print(model) gives, or the network in the layer notation "
    "(grammar: kaiming://guide/layer-notation), one word and its numbers for each layer"
)


class NotAnArchitectureError(ReadError):
    """No known format was recognised: prose, or a format that is not read yet."""


def read_architecture(text: str) -> Reading:
    """Read a network in whichever format the text is.

    Raises:
        NotAnArchitectureError: no format was recognised.
        ReadError: a format was recognised and the text breaks its rules.
    """
    if looks_like_torch_repr(text):
        return read_torch_repr(text)
    if looks_like_notation(text):
        return read_notation(text)
    raise NotAnArchitectureError(f"{_what(text)} {ACCEPTED}.")


def _what(text: str) -> str:
    if not text.strip():
        return "`architecture` is empty."
    start = text.lstrip()[:400]
    if start.startswith("{"):
        return "This looks like JSON, which is not read yet."
    if "nn.Module" in text or "def forward" in text or "import torch" in text:
        return "This looks like Python source, which is not read yet."
    if "Param #" in text or "Layer (type" in text:
        return "This looks like a summary table, which is not read yet."
    return "No network was recognised in this text, and prose is not guessed at."
