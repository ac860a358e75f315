"""What to measure where the input does not decide: one to three measurements, by name."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.remedies import PROBE
from kaiming_mcp.diagnosis.gradients.told_runs import stalled

EXAMPLE = (
    '{"measurements": "fc1.weight grad norm 1.2e-09 ... step 0 loss 2.303", "training": "fp16, lr 1e-3, 10 classes"}'
)
MOST = 3


def questions(e: Evidence) -> list[str]:
    """The measurements that would decide most, the first first."""
    asked = list[str]()
    nan = e.events("nan", "inf") or e.says(r"\bnans?\b|diverg|blow\w* up")
    if nan and not e.events("anomaly"):
        asked.append(
            "one step with `torch.autograd.set_detect_anomaly(True)`, the precision (fp32, fp16, bf16), and the losses and "
            "gradient norms of the 20 steps before it"
        )
    if e.adversarial:
        asked.append(
            "mean D of real and of generated samples with both losses and both gradient norms, every 100 steps (at the balance D is 1/2, its "
            "loss 2 ln 2 = 1.386, -log D(G(z)) 0.693; neither has to fall), and a score of the samples"
        )
    elif e.policy:
        asked.append(
            "return of evaluation episodes, explained variance of the values, and the largest |value| beside the largest return"
        )
    elif stalled(e):
        asked.append(
            "loss on one fixed batch of 32 over 200 steps, everything else as it is: below a tenth of now it can fit, and data or capacity "
            "set the limit; else the optimisation does"
        )
    if e.zeros.printed:
        asked.append("the same gradients printed with `%.3e`: a print of fixed digits hides them")
    if e.says(r"\bgraph|\bGNN|\bGCN|\bnodes?\b"):
        asked.append(
            "the share of nodes with no labelled node in their receptive field (their gradient is exactly 0), the masks, and "
            "the mean cosine of node features by layer"
        )
    if e.gradient is None:
        residual = "" if e.subject else " (and whether a pre-norm residual path goes round each block)"
        asked.append(
            f"{PROBE} at step 0 on one real batch: gradient and E[x²] of every layer{residual}; first/last below 1e-3 is decay, "
            "above 1e3 growth, cosine 1 a floor"
        )
    elif e.activation is None:
        asked.append(
            f"{PROBE} at step 0: E[x²], cosine, dead and saturated shares of every layer; weight-gradient norms stay flat even "
            "where activations explode"
        )
    if e.says(r"attention|softmax") and e.gradient is None:
        asked.append("entropy of the attention weights against ln(keys) (0 is a saturated softmax), and any detach()")
    if not e.adversarial and not e.policy and (e.losses is None or e.losses.classes is None):
        asked.append(
            "loss and training accuracy of the first 20 steps, with the loss function and the number of classes (compare ln C)"
        )
    if e.training.precision is None:
        asked.append("precision, optimizer, rate, warm-up and clip of the run")
    return asked[:MOST]


def remarks(e: Evidence) -> list[str]:
    """What the words alone settle: that few residual blocks cannot vanish, that a normed sum grows linearly."""
    found = list[str]()
    blocks = e.says(r"(?<![\w.])(\d{1,3})\s?[x×]\s?[\[A-Za-wyz]")
    residual = e.says(r"residual|skip|identity")
    if blocks and residual and int(blocks[1]) <= 4 and re.search(r"attention|block|layer|conv|dense", e.said, re.I):
        found.append(
            f"Not explained by depth: over {blocks[1]} blocks with residuals the identity path keeps the gradient's factor near 1."
        )
    if re.search(r"(?:BN|batch ?norm)\w*\s?(?:\([^)]*\))?\s?\+\s?(?:identity|x\b|skip)", e.said, re.I):
        found.append(
            "A normed branch adds 1 per block: E[x²] of the trunk is 1 + l after l blocks (51 after 50), linear, not exponential, "
            "and the gradient at the first of 50 blocks 521 times the last (sum of squares; 23 in amplitude). Exponential growth needs another fault, "
            "such as a wrong backward of the batch norm (its N): compare it with finite differences. gamma = 0 silences "
            "the branch (E[x²] stays 1), so it hides such a fault and does not repair it."
        )
    return found
